import { SlotTable } from '../../src/slots/slot-table.ts'
import { slotOfLease, wordOfLease } from '../../src/slots/state.ts'
import { wordCell } from './words.ts'

/** The operations on shared words that the slot table is made of. */
const operations = ['load', 'store', 'add', 'and', 'or', 'compareExchange', 'waitAsync', 'notify'] as const

/**
 * What a thread does at once: an atomic access of the table's word `cell`; `use` of the connection whose slot has that word; a
 * message sent to thread `cell`; the next message of any other thread. Who listens to a word, and is notified, has the message
 * `['rung']` from himself: it comes whatever becomes of the notifier.
 */
export interface Step {
  readonly what: (typeof operations)[number] | 'use' | 'send' | 'take'
  readonly cell: number
  readonly value: number
  readonly expected: number
}

/** What an observer is told, at the same moment as the step before it: who holds the connection of the slot at this word. */
export interface Note {
  readonly what: 'holds' | 'lets go' | 'lost'
  readonly cell: number
  /** With another word in that cell the lease is over, and nobody holds anything by it. */
  readonly word: number
}

/** A message: its name and what belongs to it. */
export type Message = readonly [name: string, ...facts: number[]]

/** What a program may do. All that it keeps must be made by itself: it is run from its start again and again. */
export interface Scope {
  readonly table: SlotTable
  /** This thread's number, which is its session too; 0: the coordinator. */
  readonly self: number
  send(to: number, message: Message): void
  /** Sleeps until there is a message. */
  take(): { readonly from: number; readonly message: Message }
  /** After the message `['rung']`: goes on where this thread has listened. */
  heard(): void
  /** Holds the lease's slot from the step before this until the end of one more. */
  use(lease: number): void
  /** The step before this has ended the slot's lease, whoever had it. */
  evict(slot: number): void
}

/** The synchronous and deterministic work of one thread. */
export type Program = (scope: Scope) => void

/** Where a program has got to after so many steps. */
export interface Reached {
  /** Undefined: it has ended. */
  readonly next: Step | undefined
  readonly notes: readonly Note[]
  readonly fault: string | undefined
}

/** Thrown through a program that has come to its next step. Not an error: nobody may catch it but us. */
const halt = { halted: true }

/** The messages that have been sent, by number. */
export class Messages {
  readonly #texts: string[] = []

  number(message: Message): number {
    const text = JSON.stringify(message)
    const known = this.#texts.indexOf(text)
    return known === -1 ? this.#texts.push(text) - 1 : known
  }

  at(number: number): Message {
    return JSON.parse(this.#texts[number]!) as Message
  }
}

/** One run of a program: the steps it has taken are answered from the log, and the next one ends it. */
class Replay implements Scope {
  readonly table: SlotTable
  readonly self: number
  readonly notes: Note[] = []
  /** What is to be told that a word has been notified. */
  onNotice: (() => void) | undefined
  next: Step | undefined
  readonly #log: readonly number[]
  readonly #messages: Messages
  readonly #threads: number
  #done = 0

  constructor(buffer: SharedArrayBuffer, self: number, log: readonly number[], messages: Messages, threads: number) {
    this.table = SlotTable.attach(buffer)
    this.self = self
    this.#log = log
    this.#messages = messages
    this.#threads = threads
  }

  take(): { readonly from: number; readonly message: Message } {
    const letter = this.step('take', this.self)
    return { from: letter % this.#threads, message: this.#messages.at(Math.floor(letter / this.#threads)) }
  }

  send(to: number, message: Message): void {
    this.step('send', to, this.#messages.number(message))
  }

  heard(): void {
    this.onNotice?.()
  }

  use(lease: number): void {
    const cell = wordCell(slotOfLease(lease))
    this.#note('holds', cell, wordOfLease(lease))
    this.step('use', cell)
    this.#note('lets go', cell)
  }

  evict(slot: number): void {
    this.#note('lost', wordCell(slot))
  }

  step(what: Step['what'], cell: number, value = 0, expected = 0): number {
    if (this.#done < this.#log.length) return this.#log[this.#done++]!
    this.next ??= { what, cell, value, expected }
    throw halt
  }

  /** Said once: at the end of the step that led here. */
  #note(what: Note['what'], cell: number, word = 0): void {
    if (this.#done === this.#log.length) this.notes.push({ what, cell, word })
  }
}

/** What `Atomics.waitAsync` returns: a promise, or that the word is another by now. */
const listening = (run: Replay, isAsync: boolean): object => ({
  async: isAsync,
  value: {
    // biome-ignore lint/suspicious/noThenProperty: it stands for a promise, and settles within a step
    then(told: () => void): void {
      run.onNotice = told
    },
  },
})

/**
 * Runs a program from its start until it wants to take the step that comes after those in the log. The real code runs: what it
 * finds in the place of the global `Atomics` makes a step of each access. Nothing is written to the buffer.
 */
export function replay(
  program: Program,
  {
    buffer,
    self,
    messages,
    threads,
  }: Pick<Scope, 'self'> & { buffer: SharedArrayBuffer; messages: Messages; threads: number },
  log: readonly number[],
): Reached {
  const run = new Replay(buffer, self, log, messages, threads)
  const real = Object.fromEntries(operations.map(what => [what, Atomics[what]])) as Pick<
    Atomics,
    (typeof operations)[number]
  >
  const stepOf = (what: (typeof operations)[number]): unknown => {
    const pass = real[what] as (words: Int32Array, ...rest: number[]) => number
    const isSwap = what === 'compareExchange'
    return (words: Int32Array, cell: number, first = 0, second = 0) => {
      if (words.buffer !== buffer) return pass(words, cell, first, second)
      const result = isSwap ? run.step(what, cell, second, first) : run.step(what, cell, first)
      return what === 'waitAsync' ? listening(run, result === 1) : result
    }
  }
  Object.assign(Atomics, Object.fromEntries(operations.map(what => [what, stepOf(what)])))
  let fault: string | undefined
  try {
    program(run)
  } catch (error) {
    if (error !== halt) fault = error instanceof Error ? error.message : String(error)
  } finally {
    Object.assign(Atomics, real)
  }
  return { next: run.next, notes: run.notes, fault }
}
