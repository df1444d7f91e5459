import { Chain } from '../base/chain.ts'
import type { Statement } from './statement.ts'

/** Statements that wait, by the threads they come from: the threads take turns, and within a thread it is first come, first served. */
export class StatementQueue {
  /** In the order of their turns. None is empty. */
  readonly #bySession = new Map<number, Chain<Statement>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(statement: Statement): void {
    const queue = this.#bySession.get(statement.borrower.session)
    if (queue) queue.add(statement)
    else {
      const begun = new Chain<Statement>()
      begun.add(statement)
      this.#bySession.set(statement.borrower.session, begun)
    }
    statement.queue = this
    this.#size++
  }

  /** False when it does not wait here. */
  delete(statement: Statement): boolean {
    const { session } = statement.borrower
    const queue = this.#bySession.get(session)
    if (statement.queue !== this || !queue?.delete(statement)) return false
    statement.queue = undefined
    if (queue.size === 0) this.#bySession.delete(session)
    this.#size--
    return true
  }

  /** Whose turn it is. */
  get first(): Statement | undefined {
    for (const queue of this.#bySession.values()) return queue.first
    return undefined
  }

  /** Takes out whose turn it is; then it is the next thread's. */
  take(): Statement | undefined {
    const { first } = this
    if (first === undefined) return undefined
    const { session } = first.borrower
    const queue = this.#bySession.get(session)!
    this.delete(first)
    this.#bySession.delete(session)
    if (queue.size > 0) this.#bySession.set(session, queue)
    return first
  }
}
