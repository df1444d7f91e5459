import { getEnvironmentData, MessageChannel, postMessageToThread, threadId } from 'node:worker_threads'
import { within } from '../base/deadlines.ts'
import { ArgumentError, CoordinatorLostError, InvalidRequestError, TimeoutError } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import { environmentKey, type Hello, type Welcome } from '../protocol/messages.ts'
import { SlotTable } from '../slots/slot-table.ts'
import { PoolClient } from './pool-client.ts'
import { Wire } from './wire.ts'

/** Where a shared pool can be found; `share()` returns it, and it can be sent to any thread. */
export interface ShareAddress {
  readonly name: string
  /** The coordinator's thread. */
  readonly threadId: number
  /** The slot table. */
  readonly buffer: SharedArrayBuffer
}

/** How long the coordinator may take to answer. */
const attachTimeoutMs = 30_000

/** This thread's clients by address, one for each pool, even where this module has been loaded twice: checkouts nest in a thread. */
const clientsKey = Symbol.for('fairypool.clients')
const clients: Map<string, Promise<PoolClient>> = (() => {
  const holder = globalThis as { [clientsKey]?: Map<string, Promise<PoolClient>> }
  const present = holder[clientsKey]
  if (present) return present
  const created = new Map<string, Promise<PoolClient>>()
  holder[clientsKey] = created
  return created
})()

/**
 * Attaches this thread to a shared pool: by its name, by its address, or to the only one there is. In one thread it always
 * gives the same client, until the pool is lost.
 * @throws {InvalidRequestError} no such pool is shared; {CoordinatorLostError} its thread has ended; {TimeoutError} it does not answer.
 */
export function attach<C extends object = object>(pool?: string | ShareAddress): Promise<PoolClient<C>> {
  return attachTo(pool) as unknown as Promise<PoolClient<C>>
}

async function attachTo(pool: string | ShareAddress | undefined): Promise<PoolClient> {
  const address = find(pool)
  const key = `${address.threadId}/${address.name}`
  const present = clients.get(key)
  if (present) return present
  const client = open(address, () => {
    if (clients.get(key) === client) clients.delete(key)
  })
  clients.set(key, client)
  client.catch(() => clients.delete(key))
  return client
}

function find(pool: string | ShareAddress | undefined): ShareAddress {
  if (typeof pool === 'object' && pool !== null) {
    if (typeof pool.name === 'string' && typeof pool.threadId === 'number' && pool.buffer instanceof SharedArrayBuffer)
      return pool
    throw new ArgumentError('attach(address): an address is what share() has returned.')
  }
  if (pool !== undefined && typeof pool !== 'string')
    throw new ArgumentError('attach(pool): pool must be a name or an address.')
  const shared = (getEnvironmentData(environmentKey) ?? {}) as unknown as Record<string, ShareAddress>
  const names = Object.keys(shared)
  const name = pool ?? (names.length === 1 ? names[0]! : 'default')
  const address = Object.hasOwn(shared, name) ? shared[name] : undefined
  if (address) return address
  const known = names.length === 0 ? 'none was' : `there were: ${names.join(', ')}`
  throw new InvalidRequestError(
    `No pool was shared as '${name}' when this thread was spawned (${known}). Call pool.share() before spawning, or attach(address).`,
  )
}

async function open(address: ShareAddress, onLost: () => void): Promise<PoolClient> {
  if (address.threadId === threadId) {
    throw new InvalidRequestError('This thread owns the pool: use the pool itself, it has the same methods.')
  }
  const { port1, port2 } = new MessageChannel()
  const answer = new Promise<Welcome | { readonly refused: string }>((resolve, reject) => {
    // Not `once`: its listener keeps this thread alive until the handshake is over, which a post to another thread alone does not.
    port1.on('message', resolve)
    port1.once('close', () => reject(new CoordinatorLostError(`The thread that shared '${address.name}' has ended.`)))
  })
  answer.catch(() => {})
  const hello: Hello = { fairypool: 'attach', name: address.name, threadId, port: port2 }
  try {
    const posted = postMessageToThread(address.threadId, hello, [port2], attachTimeoutMs)
    // A post to a thread that is just ending is never acknowledged; the port that went with it closes all the same.
    posted.catch(ignore)
    await Promise.race([posted, answer])
    const welcome = await within(answer, attachTimeoutMs, () => {
      return new TimeoutError(`The pool '${address.name}' did not answer.`, {
        phase: 'attach',
        timeoutMs: attachTimeoutMs,
      })
    })
    if ('refused' in welcome) throw new InvalidRequestError(welcome.refused)
    port1.removeAllListeners()
    const wire = new Wire(port1, SlotTable.attach(welcome.buffer), welcome, onLost)
    await wire.reach()
    return new PoolClient(address.name, wire, attachTo)
  } catch (error) {
    port1.close()
    if ((error as { code?: unknown }).code === 'ERR_WORKER_MESSAGING_FAILED') {
      throw new CoordinatorLostError(`The thread that shared '${address.name}' has ended, or shares it no more.`, {
        cause: error,
      })
    }
    throw error
  }
}
