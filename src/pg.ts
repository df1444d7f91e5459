export { pg } from './dialects/pg.ts'
export type { PgCursorOptions } from './dialects/pg-cursor.ts'
