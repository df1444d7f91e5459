import type { Fairy } from '../src/worker.ts'

/** How this thread reaches the connection: only without a messenger has it the driver's own object. */
export const transportOf = ({ connection }: Fairy): string => (connection === undefined ? 'remote' : 'direct')
