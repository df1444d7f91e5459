import { setImmediate } from 'node:timers/promises'
import { turnMs } from '../base/clock.ts'
import { noAnswerToCancel } from '../base/errors.ts'
import { ignore } from '../base/maybe-async.ts'
import type { Outcome, Pipeline } from '../dialects/dialect.ts'
import type { Lane } from '../dialects/lane.ts'
import type { LoanEnd } from '../fairies/loan.ts'
import { slotFlag } from '../slots/layout.ts'
import { slotOfLease } from '../slots/state.ts'
import type { StatementLine } from '../statements/statement-line.ts'
import { DirectLease } from './direct-lease.ts'
import { stop } from './stopping.ts'
import type { Wire } from './wire.ts'

/** So long the others leave a connection alone that its thread has just drained: its callers may be about to send more. */
const wantedMs = 2

/** A lease of a connection whose driver this thread runs itself, as the statements see it that go over it. */
export class LaneLine implements StatementLine {
  readonly isPipelined = true
  readonly stop: () => Promise<void>
  readonly #wire: Wire
  readonly #slot: number
  readonly #loan: DirectLease<object>
  readonly #lane: Lane
  readonly #pipeline: Pipeline
  onEnd: ((reason: LoanEnd) => void) | undefined

  constructor(wire: Wire, lease: number, lane: Lane) {
    this.#wire = wire
    this.#slot = slotOfLease(lease)
    this.#loan = new DirectLease(wire, lease, undefined, lane)
    this.#lane = lane
    wire.table.mark(this.#slot, slotFlag.statements)
    this.#loan.noteSince(turnMs())
    this.#pipeline = lane.pipeline(this.#loan)
    this.stop = () => this.#stop()
  }

  get lease(): number {
    return this.#loan.lease
  }

  get statement(): string | undefined {
    return this.#loan.statement
  }

  set statement(text: string | undefined) {
    this.#loan.statement = text
  }

  get isSpent(): boolean {
    const { table, welcome } = this.#wire
    if (!this.#loan.isValid || !table.isFresh(this.#slot)) return true
    return welcome.recycleMs >= 0 && turnMs() - table.openedAt(this.#slot) > welcome.recycleMs
  }

  send(args: readonly unknown[], done: Outcome): void {
    this.#pipeline.send(args, done)
  }

  /** What is in flight is told by the driver, or else by whoever holds this. */
  invalidate(error: unknown): void {
    this.#pipeline.end()
    this.#loan.invalidate(error, false).catch(ignore)
    this.onEnd?.('invalidated')
  }

  end(): void {
    this.#pipeline.end()
    if (this.#loan.isOut) {
      this.#wire.table.unmark(this.#slot, slotFlag.statements)
      this.#wire.table.wantUntil(this.#slot, turnMs() + wantedMs)
    }
    const ended = this.#loan.end('closed')
    if (ended instanceof Promise) ended.catch(ignore)
  }

  /** Only what has been written can be stopped: what was asked for in this turn is written at its end. */
  async #stop(): Promise<void> {
    await setImmediate()
    const { closeTimeoutMs } = this.#wire.welcome
    return stop(this.#lane, closeTimeoutMs, noAnswerToCancel(closeTimeoutMs))
  }
}
