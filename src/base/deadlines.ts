import { Chain, Link } from './chain.ts'
import { monotonicMs } from './clock.ts'

/** One armed deadline; `cancel()` it when what it bounds has settled. Cancelling twice is harmless. */
export interface Deadline {
  cancel(): void
}

class Entry extends Link implements Deadline {
  readonly ms: number
  readonly at: number
  readonly expire: () => void
  readonly #owner: Deadlines

  constructor(owner: Deadlines, ms: number, at: number, expire: () => void) {
    super()
    this.#owner = owner
    this.ms = ms
    this.at = at
    this.expire = expire
  }

  cancel(): void {
    this.#owner.remove(this)
  }
}

/**
 * All deadlines of one thread behind one timer. Deadlines of one length stand in one queue, in the order of their arrival,
 * which is the order of their expiry, so that arming and cancelling cost a few stores and no timer (the layout of Node's own timer lists).
 *
 * A deadline that stands keeps the process alive: somebody awaits it. When none stands, nothing does.
 */
export class Deadlines {
  readonly #queues = new Map<number, Chain<Entry>>()
  #count = 0
  #timer: NodeJS.Timeout | undefined
  #timerAt = Number.POSITIVE_INFINITY
  /** How many want to know whether anything else keeps the process alive. */
  #loose = 0

  /** Calls `expire` once, `ms` milliseconds from `now`, unless cancelled first. */
  arm(ms: number, expire: () => void, now: number = monotonicMs()): Deadline {
    const queue = this.#queueOf(ms)
    const entry = new Entry(this, ms, now + ms, expire)
    queue.add(entry)
    this.#count++
    this.#schedule(entry.at)
    return entry
  }

  /** @internal A queue that has become empty stays, unless there are many: the next deadline of its length is near. */
  remove(entry: Entry): void {
    const queue = this.#queues.get(entry.ms)
    if (!queue?.delete(entry)) return
    if (queue.size === 0 && this.#queues.size > 16) this.#queues.delete(entry.ms)
    this.#count--
    if (this.#count === 0) this.#timer?.unref()
  }

  /** Until `tighten()`, no deadline keeps the process alive. */
  loosen(): void {
    this.#loose++
    this.#timer?.unref()
  }

  tighten(): void {
    if (--this.#loose === 0 && this.#count > 0) this.#timer?.ref()
  }

  #queueOf(ms: number): Chain<Entry> {
    let queue = this.#queues.get(ms)
    if (queue === undefined) {
      queue = new Chain()
      this.#queues.set(ms, queue)
    }
    return queue
  }

  #schedule(at: number): void {
    if (this.#timer !== undefined && this.#timerAt <= at) {
      if (this.#loose === 0) this.#timer.ref()
      return
    }
    clearTimeout(this.#timer)
    this.#timerAt = at
    // A loop that was blocked runs its timers before it reads its ports. The immediate lets the answers that already wait
    // there be read first, so that a stalled loop reports no timeout for what was served in time (node-postgres#2262).
    this.#timer = setTimeout(() => setImmediate(() => this.#expire()), Math.max(0, Math.ceil(at - monotonicMs())))
    if (this.#loose > 0) this.#timer.unref()
  }

  #expire(): void {
    this.#timer = undefined
    this.#timerAt = Number.POSITIVE_INFINITY
    const now = monotonicMs()
    let next = Number.POSITIVE_INFINITY
    for (const queue of this.#queues.values()) {
      let { first } = queue
      // Any of them may cancel others, or arm new ones: whoever is first is asked for each time.
      for (; first !== undefined && first.at <= now; first = queue.first) {
        this.remove(first)
        first.expire()
      }
      if (first !== undefined) next = Math.min(next, first.at)
    }
    if (next !== Number.POSITIVE_INFINITY) this.#schedule(next)
  }
}

/** The thread's deadlines. */
export const deadlines: Deadlines = new Deadlines()

/**
 * `work`, or a rejection with `late()` once `ms` milliseconds have passed. The work itself goes on: `late` decides what becomes of it.
 * A late failure of the work is swallowed; a late success is passed to `lateSuccess`.
 */
export function within<T>(
  work: Promise<T>,
  ms: number,
  late: () => Error,
  lateSuccess?: (value: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let open = true
    const deadline = deadlines.arm(ms, () => {
      open = false
      reject(late())
    })
    work.then(
      value => {
        deadline.cancel()
        if (open) resolve(value)
        else lateSuccess?.(value)
      },
      error => {
        deadline.cancel()
        reject(error)
      },
    )
  })
}
