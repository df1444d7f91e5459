import { monotonicMs } from '../base/clock.ts'
import { InvalidRequestError } from '../base/errors.ts'
import type { Attendance } from './attendance.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** Is a connection alive? Asked of the server, or of its socket where that is enough. False: disconnected. Other trouble is thrown. */
export async function ping<C extends object>(
  pool: Pool<C>,
  { attendance }: ConnectionRecord<C>,
  connection: C,
): Promise<boolean> {
  if (attendance && isHeard(attendance, pool.settings.pingIntervalMs)) return true
  return askServer(pool, attendance, connection)
}

/** Is it alive? The server must answer. */
export async function askServer<C extends object>(
  { dialect, log }: Pool<C>,
  attendance: Attendance<C> | undefined,
  connection: C,
): Promise<boolean> {
  log.debug(named => `Pinging ${named(connection)}`)
  if (dialect.ping === undefined) {
    throw new InvalidRequestError(`prePing is on, but the dialect '${dialect.name}' has no ping.`)
  }
  const isAlive = await dialect.ping(connection)
  if (isAlive && attendance) attendance.heardAt = monotonicMs()
  return isAlive
}

/** A look at the socket is sign of life enough: it is quiet, and the last answer is not too long ago. */
function isHeard<C extends object>(attendance: Attendance<C>, pingIntervalMs: number | null): boolean {
  if (attendance.peek !== 'quiet') return false
  return pingIntervalMs === null || monotonicMs() - attendance.heardAt <= pingIntervalMs
}
