import { monotonicMs } from '../base/clock.ts'
import { within } from '../base/deadlines.ts'
import { asError, InvalidRequestError, TimeoutError } from '../base/errors.ts'
import type { Pool } from './pool.ts'
import { type ConnectionRecord, closeQuietly } from './record.ts'

/**
 * Opens a connection into a record whose slot is `opening`: creator, first connect listeners, connect listeners.
 * The opening is stamped before the creator runs, so an invalidation meanwhile condemns it (behaviours 105, 152).
 * When a listener fails, the connection is there all the same, and whoever called closes it.
 */
export async function open<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<void> {
  pool.slots.stampOpening(record.slot, monotonicMs())
  record.info.clear()
  record.finalizeCallbacks.length = 0
  const connection = await create(pool, record)
  record.connection = connection
  record.fresh = true
  await pool.firstConnect.pass(connection, record)
  await pool.events.emit('connect', connection, record)
}

async function create<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): Promise<C> {
  const { connectTimeoutMs } = pool.settings
  const controller = new AbortController()
  const late = (): Error => {
    const error = new TimeoutError(`No connection could be opened within ${connectTimeoutMs} ms.`, {
      phase: 'connect',
      timeoutMs: connectTimeoutMs,
    })
    controller.abort(error)
    return error
  }
  // An attempt that was given up has no place any more: what it still opens is closed.
  const lateSuccess = (connection: C): void => void closeQuietly(pool, connection, 'abrupt')
  try {
    const connection = await within(call(pool, record, controller.signal), connectTimeoutMs, late, lateSuccess)
    if (typeof connection !== 'object' || connection === null) {
      throw new InvalidRequestError(
        `The creator returned ${connection === null ? 'null' : typeof connection} instead of a connection.`,
      )
    }
    return connection
  } catch (error) {
    pool.lastConnectError = asError(error)
    throw error
  }
}

/** Async, so that a creator that throws and one that rejects look alike. */
async function call<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, signal: AbortSignal): Promise<C> {
  const open = pool.creator ?? pool.dialect.connect
  if (open === undefined) throw new InvalidRequestError(`The dialect '${pool.dialect.name}' can't open connections.`)
  return open.call(pool.dialect, record, { signal })
}

/** Lets one connection through to the first connect listeners; others that open meanwhile wait for the outcome (behaviours 258, 259). */
export class FirstConnect<C extends object> {
  readonly #pool: Pool<C>
  #state: 'never' | 'done' = 'never'
  #running: Promise<void> | undefined

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  async pass(connection: C, record: ConnectionRecord<C>): Promise<void> {
    while (this.#running) await this.#running.catch(() => {})
    if (this.#state === 'done') return
    this.#running = this.#pool.events.emit('firstConnect', connection, record)
    try {
      await this.#running
      this.#state = 'done'
    } finally {
      this.#running = undefined
    }
  }
}
