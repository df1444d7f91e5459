export { type PgOptions, pg } from './dialects/pg.ts'
export type { PgCursorOptions } from './dialects/pg-cursor.ts'
export type { PgPooler } from './dialects/pg-pooler.ts'
