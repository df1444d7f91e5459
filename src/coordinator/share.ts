import { once } from 'node:events'
import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads'
import { checkOptions, isString } from '../base/checks.ts'
import { asError, InvalidRequestError } from '../base/errors.ts'
import type { Pool } from '../pool/pool.ts'
import { bringSharing, type ShareAddress, type ShareOptions } from '../pool/sharing.ts'
import { helloOf } from '../protocol/hello-check.ts'
import { environmentKey, type Hello } from '../protocol/messages.ts'
import { maxSession } from '../slots/state.ts'
import { Session } from './session.ts'

/** The session numbers in use, by pool: those of an earlier sharing are in use until their threads have left. */
const numbers = new WeakMap<Pool<object>, Set<number>>()

/** A thread attaches once, or again after its port was closed; more by far could only be meant to keep others out. */
const mostOfOneThread = 8

/** A pool that other threads can attach to, with the sessions of those that have. */
class SharedPool {
  readonly address: ShareAddress
  readonly #pool: Pool<object>
  readonly #sessions = new Set<Session>()
  readonly #taken: Set<number>

  constructor(pool: Pool<object>, name: string) {
    this.#pool = pool
    this.#taken = numbers.get(pool) ?? new Set()
    numbers.set(pool, this.#taken)
    this.address = { name, threadId, buffer: pool.slots.share() }
    pool.slots.onForgery = slot => this.#onForgery(slot)
  }

  accept(hello: Hello): void {
    const number = this.#freeNumber()
    if (number === undefined)
      return refuse(hello, `${maxSession} threads are attached to '${hello.name}', and that is the most.`)
    if (this.#ofThread(hello.threadId) >= mostOfOneThread)
      return refuse(hello, `A thread can attach ${mostOfOneThread} times at a time, and this one has.`)
    const session = new Session(this.#pool, { session: number, threadId: hello.threadId }, hello.port)
    this.#pool.departures.set(number, once(hello.port, 'close'))
    this.#taken.add(number)
    this.#sessions.add(session)
    const failed = (error: unknown): void =>
      this.#pool.log.error('a thread could not be taken leave of.', asError(error))
    void session
      .over()
      .catch(failed)
      .then(() => {
        this.#sessions.delete(session)
        this.#pool.departures.delete(number)
        // Only now, with every lease of the dead taken back, may another thread bear this number.
        this.#taken.delete(number)
      })
  }

  close(): void {
    for (const session of this.#sessions) session.end()
  }

  #ofThread(threadId: number): number {
    let sessions = 0
    for (const { borrower } of this.#sessions) if (borrower.threadId === threadId) sessions++
    return sessions
  }

  /** A thread has written over a slot. It may be free by that, and nobody else says so. */
  #onForgery(slot: number): void {
    const { log, transports } = this.#pool
    if (transports.refused++ === 0)
      log.warn(`a thread has written what it must not into slot ${slot} of the shared table.`)
    setImmediate(() => this.#pool.tidy())
  }

  #freeNumber(): number | undefined {
    for (let number = 1; number <= maxSession; number++) if (!this.#taken.has(number)) return number
    return undefined
  }
}

interface Desk {
  readonly accept: (hello: Hello) => void
}

/** Shared pools by name: one table in a thread, even where this module has been loaded twice. */
const registryKey = Symbol.for('fairypool.shared')
const registry: Map<string, Desk> = (() => {
  const holder = globalThis as { [registryKey]?: Map<string, Desk> }
  const present = holder[registryKey]
  if (present) return present
  const created = new Map<string, Desk>()
  holder[registryKey] = created
  return created
})()

const shared = new WeakMap<Pool<object>, SharedPool>()

function share(pool: Pool<object>, options: ShareOptions = {}): ShareAddress {
  checkOptions('share options', options, { name: isString })
  const present = shared.get(pool)
  if (present) {
    if (options.name === undefined || options.name === present.address.name) return present.address
    throw new InvalidRequestError(`This pool is shared as '${present.address.name}' already.`)
  }
  const name = options.name ?? 'default'
  if (registry.has(name)) {
    throw new InvalidRequestError(`Another pool is shared as '${name}'. Give each its own: share({ name }).`)
  }
  if (registry.size === 0) process.on('workerMessage', onWorkerMessage)
  const desk = new SharedPool(pool, name)
  registry.set(name, desk)
  shared.set(pool, desk)
  publish(name, desk.address)
  return desk.address
}

function unshare(pool: Pool<object>): void {
  const desk = shared.get(pool)
  if (desk === undefined) return
  shared.delete(pool)
  registry.delete(desk.address.name)
  publish(desk.address.name, undefined)
  if (registry.size === 0) process.off('workerMessage', onWorkerMessage)
  desk.close()
}

/** Workers spawned from now on find the pool under its name. */
function publish(name: string, address: ShareAddress | undefined): void {
  const { [name]: _, ...others } = (getEnvironmentData(environmentKey) ?? {}) as Record<string, ShareAddress>
  setEnvironmentData(environmentKey, address ? { ...others, [name]: address } : others)
}

/** Other libraries use this event too: what is not ours is left alone, and what is ours must not throw. */
function onWorkerMessage(message: unknown, source: number): void {
  const hello = helloOf(message, source)
  if (hello === undefined) return
  const desk = registry.get(hello.name)
  try {
    if (desk) desk.accept(hello)
    else
      refuse(hello, `No pool is shared as '${hello.name}'. Shared are: ${[...registry.keys()].join(', ') || 'none'}.`)
  } catch (error) {
    refuse(hello, `The pool can't be attached to: ${asError(error).message}`)
  }
}

function refuse({ port }: Hello, why: string): void {
  port.postMessage({ refused: why })
  port.close()
}

bringSharing({ share, unshare })
