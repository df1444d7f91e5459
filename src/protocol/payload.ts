import { isSharedArrayBuffer } from 'node:util/types'
import { MessagePort } from 'node:worker_threads'
import { ArgumentError } from '../base/errors.ts'

/** So many values one message may hold, however they are nested. */
const mostItems = 2 ** 23

/** So many characters and bytes: as UTF-8, less than PostgreSQL takes in one message. */
const mostBytes = 2 ** 28

/** So deep it may be: what walks or writes it by recursion has room for that. */
const mostLevels = 1000

/** An array with more holes than that is no list of anything: it takes no room in a message, and all the time there is to walk it. */
const mostHoles = 1024

/** `once`: what stands in it twice counts once, and rings are as good as anything. `each time`: as for who writes it out as a text. */
export type Counting = 'once' | 'each time'

/** One walk through what another thread has sent. */
class Walk {
  readonly #seen: Set<object> | undefined
  #items = 0
  #bytes = 0

  constructor(counting: Counting) {
    this.#seen = counting === 'once' ? new Set() : undefined
  }

  /** What follows counts by itself: what it has in common with what was before is there once more. */
  anew(): this {
    this.#seen?.clear()
    return this
  }

  value(value: unknown, level: number): void {
    if (++this.#items > mostItems) throw tooMuch(`holds more than ${mostItems} values`)
    if (typeof value === 'string') return this.#add(value.length)
    if (typeof value !== 'object' || value === null) return
    if (level > mostLevels) throw tooMuch(`is nested more than ${mostLevels} levels deep, or in a ring`)
    if (this.#seen?.has(value)) return
    this.#seen?.add(value)
    this.#object(value, level + 1)
  }

  #object(value: object, level: number): void {
    if (Array.isArray(value)) return this.#array(value, level)
    if (ArrayBuffer.isView(value)) {
      if (isSharedArrayBuffer(value.buffer)) throw shared()
      return this.#add(value.byteLength)
    }
    if (value instanceof ArrayBuffer) return this.#add(value.byteLength)
    if (isSharedArrayBuffer(value)) throw shared()
    if (value instanceof MessagePort) throw new ArgumentError("A message port can't be an argument.")
    if (value instanceof Map) {
      for (const [key, item] of value) {
        this.value(key, level)
        this.value(item, level)
      }
      return
    }
    if (value instanceof Set) {
      for (const item of value) this.value(item, level)
      return
    }
    for (const key of Object.keys(value)) {
      this.#add(key.length)
      this.value((value as Record<string, unknown>)[key], level)
    }
  }

  #array(array: readonly unknown[], level: number): void {
    let holes = 0
    for (let i = 0; i < array.length; i++) {
      const item = array[i]
      // Long lists are mostly of these.
      if (typeof item === 'number' && ++this.#items <= mostItems) continue
      if (item === undefined && !(i in array) && ++holes > mostHoles) {
        throw tooMuch(`holds an array with more than ${mostHoles} holes`)
      }
      this.value(item, level)
    }
  }

  #add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > mostBytes) throw tooMuch(`is larger than ${mostBytes} characters and bytes`)
  }
}

/**
 * Refuses what must not reach a driver whatever its types: what is too much to be walked, and memory that its sender can change
 * while it is read. Values in it that only this thread's own code could have made, such as getters and functions, can't cross a port.
 * @throws {ArgumentError}
 */
export function checkPayload(value: unknown, counting: Counting = 'once'): void {
  if (typeof value !== 'object' || value === null) {
    if (typeof value === 'string' && value.length > mostBytes) throw tooMuch(`is longer than ${mostBytes} characters`)
    return
  }
  new Walk(counting).value(value, 0)
}

/** The same for values that travel on one by one, whatever they have in common. @throws {ArgumentError} */
export function checkPayloads(values: readonly object[]): void {
  const walk = new Walk('once')
  for (const value of values) walk.anew().value(value, 0)
}

const tooMuch = (what: string): ArgumentError => new ArgumentError(`What was sent ${what}: that is refused.`)

const shared = (): ArgumentError =>
  new ArgumentError("Shared memory can't be an argument: it could change while it is read. Send a copy.")
