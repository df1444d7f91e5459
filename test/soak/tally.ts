import { type Excuse, excuses } from './excuse.ts'

/** Besides the ends of chores: statements in bursts, transactions that were told to be committed, and strikes. */
const extras = ['statements', 'commits'] as const
type Extra = (typeof extras)[number]

/** A loss is noticed this long after its strike at the latest, by whoever begins then. */
const aftermathMs = 3000

/** What all threads have done so far, in shared memory: what a thread has counted outlives it. */
export class Tally {
  readonly buffer: SharedArrayBuffer
  readonly #names: readonly string[]
  readonly #counts: Int32Array

  constructor(chores: readonly string[], buffer?: SharedArrayBuffer) {
    this.#names = [...chores, ...excuses, ...extras, 'struck at']
    this.buffer = buffer ?? new SharedArrayBuffer(this.#names.length * Int32Array.BYTES_PER_ELEMENT)
    this.#counts = new Int32Array(this.buffer)
  }

  add(name: string | Excuse | Extra, by = 1): void {
    Atomics.add(this.#counts, this.#names.indexOf(name), by)
  }

  count(name: string | Excuse | Extra): number {
    return Atomics.load(this.#counts, this.#names.indexOf(name))
  }

  /** A server session is about to be ended, or has just been. Only that excuses a loss that its caller did not bring about. */
  strike(): void {
    Atomics.store(this.#counts, this.#names.indexOf('struck at'), seconds(Date.now()))
  }

  /** True when a session was ended since then, or shortly before. */
  struckSince(ms: number): boolean {
    return this.count('struck at') >= seconds(ms - aftermathMs)
  }

  toString(): string {
    const names = this.#names.slice(0, -1)
    return names.map(name => `${name} ${this.count(name)}`).join(', ')
  }
}

const seconds = (ms: number): number => Math.floor(ms / 1000)
