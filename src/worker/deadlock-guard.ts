import { Standstill } from '../fairies/standstill.ts'
import { kind } from '../protocol/messages.ts'
import { taskPorts } from './task-ports.ts'
import type { Wire } from './wire.ts'

/** This thread's part in finding out that nobody can go on (`detectDeadlocks`). */
export class DeadlockGuard {
  readonly #wire: Wire
  readonly #standstill: Standstill
  /** The youngest caller when this thread has said that it stands. */
  #youngest: object | undefined

  constructor(wire: Wire) {
    this.#wire = wire
    this.#standstill = new Standstill({
      isStill: () => this.#isStill,
      stands: id => this.#stands(id),
      loosen() {
        wire.caller.loosen()
        for (const port of taskPorts()) port.unref()
      },
      tighten() {
        wire.caller.tighten()
        for (const port of taskPorts()) port.ref()
      },
    })
  }

  watch(id: number): void {
    this.#standstill.watch(id)
  }

  /** The youngest caller of this thread is to fail, if all is still as it was when it was told of. */
  fail(id: number, error: unknown): void {
    const { lessee } = this.#wire
    const { youngest } = lessee
    if (this.#standstill.isStanding(id) && youngest !== undefined && youngest === this.#youngest)
      lessee.fail(youngest, error)
  }

  get #isStill(): boolean {
    const { caller, lanes, lessee, lost } = this.#wire
    return lost === undefined && lessee.waiting > 0 && caller.isQuiet && lanes?.isAnyListened !== true
  }

  #stands(id: number): void {
    const { caller, lessee } = this.#wire
    const { youngest } = lessee
    if (youngest === undefined) return
    this.#youngest = youngest
    caller.tell([kind.stands, id, youngest.at])
  }
}
