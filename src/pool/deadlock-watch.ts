import { DeadlockError, InvalidRequestError } from '../base/errors.ts'
import { garbageCollector } from '../base/garbage.ts'
import { heldBy } from '../base/holder.ts'
import { Ticker } from '../base/ticker.ts'
import { slotFlag } from '../slots/layout.ts'
import type { Pool } from './pool.ts'

/** While callers wait, the pool is looked at this often. */
const lookMs = 20

/** After so many looks at the same picture, threads that have not said that they stand are asked once more. */
const patientLooks = 25

/** A thread that can be asked whether it is at a standstill; the answer is `stands()`, if it is. */
export interface Guarded {
  watch(id: number): void
  /** Its youngest caller is to fail, if it still stands as it said under this number. */
  fail(id: number, error: DeadlockError): void
}

/**
 * Finds out that nobody can go on. The rule: all the connections that there may be are lent to callers of `connect()`; every thread
 * that holds one is at a standstill (see `Standstill`), with callers of its own that wait; and none of that changes until all
 * have said so. Then the youngest of those callers fails. A thread that holds nothing is not asked: it has nothing to give.
 *
 * It errs on the side of waiting: a thread with anything else to do, be it a timer or a server, is not at a standstill. What ends a
 * wait or a thread from outside does not count: deadlines, signals, `terminate()`.
 */
export class DeadlockWatch {
  readonly #pool: Pool<object>
  readonly #ticker = new Ticker(lookMs, () => this.#look())
  readonly #threads = new Map<number, Guarded>()
  /** What was seen at the last look, if nobody could be served then. */
  #picture: string | undefined
  #looks = 0
  #episode = 0
  /** By session: who has said that it stands, and when its youngest caller came. */
  readonly #standing = new Map<number, number>()

  constructor(pool: Pool<object>) {
    if (garbageCollector() === undefined) {
      throw new InvalidRequestError('detectDeadlocks: this runtime does not collect garbage when asked.')
    }
    this.#pool = pool
  }

  /** A thread has attached, or is this one. */
  join(session: number, thread: Guarded): void {
    this.#threads.set(session, thread)
  }

  leave(session: number): void {
    this.#threads.delete(session)
  }

  /** Somebody waits for a connection, or nobody does any more. */
  watch(isAnybodyWaiting: boolean): void {
    this.#forget()
    if (isAnybodyWaiting) this.#ticker.start()
    else this.#ticker.stop()
  }

  /** A thread says that it is at a standstill. */
  stands(session: number, id: number, youngestAt: number): void {
    if (id !== this.#episode || this.#picture === undefined || !Number.isFinite(youngestAt)) return
    this.#standing.set(session, youngestAt)
    if (this.#holders.every(holder => this.#standing.has(holder))) void this.#conclude(id)
  }

  #look(): void {
    this.#pool.serveWaiters()
    const picture = this.#draw()
    if (picture === undefined || picture !== this.#picture) {
      this.#forget()
      this.#picture = picture
      return
    }
    // Seen twice the same.
    if (this.#looks++ % patientLooks === 0) this.#ask()
  }

  #ask(): void {
    this.#standing.clear()
    this.#episode++
    for (const session of this.#holders) this.#threads.get(session)?.watch(this.#episode)
  }

  /** All holders have said so: the youngest of their callers fails, unless something has moved since. */
  async #conclude(id: number): Promise<void> {
    const holders = await this.#pool.custody.ask()
    if (id !== this.#episode || this.#picture === undefined || this.#draw() !== this.#picture) return
    const [[session] = []] = [...this.#standing].sort(([, a], [, b]) => b - a)
    const thread = session === undefined ? undefined : this.#threads.get(session)
    this.#forget()
    const message =
      `Deadlock: all ${holders.length} connections are held by threads whose callers wait for one more, and nothing else can happen in` +
      ` any of them.${heldBy(holders)} Take one connection for all that a task does, or all at once, or raise poolSize.`
    thread?.fail(id, new DeadlockError(message, holders))
  }

  #forget(): void {
    this.#picture = undefined
    this.#looks = 0
    this.#standing.clear()
  }

  get #holders(): number[] {
    return [...new Set(this.#pool.custody.out().map(({ session }) => session))]
  }

  /** All that must not change, in words; undefined: somebody may go on. */
  #draw(): string | undefined {
    const { custody, slots } = this.#pool
    const out = custody.out()
    if (out.length < slots.capacity) return undefined
    const words: string[] = []
    for (const { slot, word, session, use } of out) {
      if (use !== 'connect' || slots.isMarked(slot, slotFlag.offered) || this.#isBusy(slot, session)) return undefined
      const waiting = slots.sessions.waiting(session)
      if (waiting === 0) return undefined
      words.push(`${word} ${session} ${waiting}`)
    }
    return words.join()
  }

  /** Something is under way on a connection that this thread runs. */
  #isBusy(slot: number, session: number): boolean {
    const { records, dialect, slots, handsOver } = this.#pool
    const record = records.at(slot)
    if (record?.connection === undefined || record.current?.isQuiet === false) return true
    // Another thread that runs the driver itself knows by itself.
    if (session !== 0 && handsOver && slots.sessions.isDirect(session)) return false
    return dialect.awaitsServer?.(record.connection) === true
  }
}
