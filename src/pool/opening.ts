import { AsyncLocalStorage } from 'node:async_hooks'
import { monotonicMs } from '../base/clock.ts'
import { within } from '../base/deadlines.ts'
import { asError, InvalidRequestError, TimeoutError } from '../base/errors.ts'
import { reasonOf } from '../observe/pool-log.ts'
import { slotFlag } from '../slots/layout.ts'
import { Attendance } from './attendance.ts'
import { closeQuietly } from './closing.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

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
  record.attendance = new Attendance(
    connection,
    mayHandOver(pool) ? pool.dialect.handover : undefined,
    () => record.connection === connection && record.isLost,
  )
  record.fresh = true
  pool.log.debug(named => `Created new ${named(connection)}`)
  pool.dialect.watch?.(connection, () => {
    if (record.connection === connection) pool.slots.mark(record.slot, slotFlag.lost)
  })
  await pool.firstConnect.pass(connection, record)
  if (pool.events.has('connect')) await inTime(pool, pool.events.emit('connect', connection, record))
  if (record.connection !== undefined) return
  throw new InvalidRequestError('A connect listener has invalidated the connection that was being opened.')
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
  let connection: C
  try {
    connection = await within(call(pool, record, controller.signal), connectTimeoutMs, late, lateSuccess)
  } catch (error) {
    pool.lastConnectError = asError(error)
    pool.log.debug(() => `Error on connect${reasonOf(error)}`)
    pool.prober.failed(pool.lastConnectError)
    throw error
  }
  pool.prober.succeeded()
  return connection
}

/** Listeners that never settle must not keep a place for ever: they have as long as the creator has. */
function inTime<C extends object>(pool: Pool<C>, listeners: Promise<void>): Promise<void> {
  const timeoutMs = pool.settings.connectTimeoutMs
  return within(listeners, timeoutMs, () => {
    const message = `The listeners to a new connection did not settle within ${timeoutMs} ms.`
    return new TimeoutError(message, { phase: 'connect', timeoutMs })
  })
}

const mayHandOver = <C extends object>({ settings, creator, lendsApart }: Pool<C>): boolean =>
  settings.transport !== 'remote' && creator === undefined && lendsApart

/** Async, so that a creator that throws and one that rejects look alike. */
async function call<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, signal: AbortSignal): Promise<C> {
  const open = pool.creator ?? pool.dialect.connect
  if (open === undefined) throw new InvalidRequestError(`The dialect '${pool.dialect.name}' can't open connections.`)
  const connection: unknown = await open.call(pool.dialect, record, { signal, mayHandOver: mayHandOver(pool) })
  if (typeof connection === 'object' && connection !== null) return checkNew(pool, record, connection as C)
  throw new InvalidRequestError(
    `The creator returned ${connection === null ? 'null' : typeof connection} instead of a connection.`,
  )
}

/** Two borrowers over one connection would meet each other's transactions, and read each other's answers. */
function checkNew<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>, connection: C): C {
  for (const other of pool.records) {
    if (other === record || other.connection !== connection) continue
    throw new InvalidRequestError('The creator returned a connection that the pool has already.')
  }
  return connection
}

/** Lets one connection through to the first connect listeners; others that open meanwhile wait for the outcome (behaviours 258, 259). */
export class FirstConnect<C extends object> {
  readonly #pool: Pool<C>
  readonly #inside = new AsyncLocalStorage<true>()
  #state: 'never' | 'done' = 'never'
  #running: Promise<void> | undefined

  constructor(pool: Pool<C>) {
    this.#pool = pool
  }

  async pass(connection: C, record: ConnectionRecord<C>): Promise<void> {
    // It would wait for itself (behaviour 59).
    if (this.#inside.getStore()) throw new InvalidRequestError("A firstConnect listener can't open another connection.")
    while (this.#running) await this.#running.catch(() => {})
    if (this.#state === 'done') return
    const work = this.#inside.run(true, () => this.#pool.events.emit('firstConnect', connection, record))
    this.#running = inTime(this.#pool, work)
    try {
      await this.#running
      this.#state = 'done'
    } finally {
      this.#running = undefined
      // Watching async contexts costs every promise of the thread on Node 20 and 22.
      this.#inside.disable()
    }
  }
}
