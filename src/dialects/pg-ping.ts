import type { Client } from 'pg'
import { isPgDisconnect } from './pg-errors.ts'

let pings = 0

/**
 * Is the session alive, and in step? Each ping asks something that only its own answer fits (by the name of a column, which no type
 * parser touches): where an answer lies about that nobody has read, everybody after would get that of the one before.
 */
export async function ping(client: Client): Promise<boolean> {
  const name = `ping${++pings}`
  try {
    const answer = await client.query(`select 1 as ${name}`)
    return !Array.isArray(answer) && answer.rowCount === 1 && answer.fields[0]?.name === name
  } catch (error) {
    if (isPgDisconnect(error)) return false
    // In a transaction that has failed the server answers nothing else: alive it is.
    if ((error as { code?: unknown }).code === '25P02') return true
    throw error
  }
}
