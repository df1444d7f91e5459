import type { ConnectionRecord } from '../../src/pool/record.ts'
import { Tenure } from '../../src/pool/tenure.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import type { Scope } from './replay.ts'

/** A checkout as far as the slot table is concerned: a tenure that ends once. */
export class Loan {
  readonly borrower: { readonly session: number }
  readonly record: ConnectionRecord<object>
  readonly tenure: Tenure
  readonly #scope: Scope
  #isLent = true

  constructor(scope: Scope, record: ConnectionRecord<object>, session: number, word?: number) {
    this.borrower = { session }
    this.record = record
    this.tenure = new Tenure(() => scope.table, record.slot, record.slot, session, word)
    this.#scope = scope
  }

  get isValid(): boolean {
    return this.#isLent && this.tenure.isCurrent
  }

  get isOffer(): boolean {
    return this.isValid && this.#scope.table.isMarked(this.tenure.slot, slotFlag.offered)
  }

  moveOn(word: number): boolean {
    if (!this.#isLent) return false
    this.tenure.renew(word)
    return true
  }

  supersede(): void {
    this.#isLent = false
  }

  /** False: somebody else has ended it. */
  end(to: 'returning' | 'closing', which: 'exact' | 'any'): boolean {
    if (!this.#isLent || !this.tenure.end(to, which)) return false
    this.#scope.evict(this.tenure.slot)
    this.#isLent = false
    return true
  }
}
