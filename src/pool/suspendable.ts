import type { PoolState } from '../observe/status.ts'
import { tableFlag } from '../slots/layout.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import type { CheckoutRequest } from './request.ts'
import { Shareable } from './shareable.ts'
import type { Upkeep } from './upkeep.ts'

/** A pool whose checkouts can be made to wait. That it is so stands in the slot table, where threads look before they claim. */
export abstract class Suspendable<C extends object> extends Shareable<C> {
  /** @internal */ abstract readonly slots: SlotTable
  /** @internal What the pool does by itself, if it was asked for anything of the kind. */ upkeep: Upkeep<C> | undefined
  readonly #held: (() => void)[] = []

  /** @internal */ abstract serveWaiters(): void
  /** @internal */ abstract timeoutError(request: CheckoutRequest<C>): Error
  /** @internal */ abstract get lendsByItself(): boolean

  /**
   * From now on whoever wants a connection waits for `resume()`, in every thread, and statements of `query()` with them; deadlines
   * run on. What is out stays out, and comes home. Nothing is opened or pinged meanwhile but for a checkout that is under way. Idempotent.
   */
  suspend(): void {
    this.slots.set(tableFlag.suspended, true)
  }

  /** Whoever waits is served, in the order of their coming. Idempotent. */
  resume(): void {
    this.slots.set(tableFlag.suspended, false)
    this.serveWaiters()
    for (const pass of this.#held.splice(0)) pass()
    this.upkeep?.changed()
  }

  /** @internal */
  get isSuspended(): boolean {
    return this.slots.has(tableFlag.suspended)
  }

  /** For `status()`. */
  protected get state(): PoolState {
    return this.isSuspended ? 'suspended' : 'open'
  }

  /** How many stand at the gate: where a pool has a queue, they wait there instead. */
  protected get held(): number {
    return this.#held.length
  }

  /** What a checkout must wait for first. A pool that lends by itself has a queue, and sees to that there. */
  protected gate(request: CheckoutRequest<C>): Promise<void> | undefined {
    if (!this.isSuspended || this.lendsByItself) return undefined
    if (request.timeoutMs === 0) throw this.timeoutError(request)
    return this.#passed(request)
  }

  #passed({ patience }: CheckoutRequest<C>): Promise<void> {
    let pass = (): void => {}
    const passed = new Promise<void>(resolve => {
      pass = resolve
      this.#held.push(pass)
    })
    return patience.within(passed, () => {
      const place = this.#held.indexOf(pass)
      if (place !== -1) this.#held.splice(place, 1)
    })
  }
}
