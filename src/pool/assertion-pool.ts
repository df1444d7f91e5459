import { AssertionError } from '../base/errors.ts'
import { PoolStatus } from '../observe/status.ts'
import { CheckoutTrace } from '../observe/trace.ts'
import { slotFlag } from '../slots/layout.ts'
import { checkDisposeOptions, type DisposeOptions, drain } from './draining.ts'
import type { PoolOptions } from './options.ts'
import { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import { isHome } from './records.ts'
import type { CheckoutRequest } from './request.ts'

/**
 * For tests: at most one connection is out at a time, and whoever wants a second gets an error with the stack of the first
 * checkout (behaviours 94-102). One record is kept and reused.
 */
export class AssertionPool<C extends object = object> extends Pool<C> {
  #first: { readonly threadId: number; readonly trace: CheckoutTrace | undefined } | undefined

  constructor(options: PoolOptions<C>) {
    super(options, () => 1)
  }

  override status(): PoolStatus {
    const checkedin = this.records.home()
    const checkedout = this.records.size - checkedin
    return new PoolStatus(
      { poolSize: 1, checkedin, overflow: 0, checkedout, waiting: this.held, state: this.state },
      'AssertionPool',
      this.transports,
    )
  }

  /** Closes the connection; one that is out, when it comes home. */
  override async dispose(options: DisposeOptions = {}): Promise<void> {
    checkDisposeOptions(options)
    const records = [...this.records]
    for (const record of records) {
      this.slots.mark(record.slot, slotFlag.retiring)
      if (record.state === 'empty') record.become('opening')
      else if (!record.reserve()) continue
      await this.retire(record)
    }
    await drain(this, records, options)
  }

  protected override doGet({ borrower, trace }: CheckoutRequest<C>): ConnectionRecord<C> {
    const { session, threadId } = borrower
    const [record] = this.records
    if (record && !isHome(record)) throw this.#secondCheckout()
    // A worker's stack is in the worker.
    const isTraced = this.settings.storeTraceback && session === 0
    this.#first = { threadId, trace: isTraced ? (trace ?? this.#trace()) : undefined }
    if (record === undefined) return this.records.create(session)!
    record.become(record.connection === undefined ? 'opening' : 'leased', session)
    return record
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): Promise<void> | void {
    if (record.isRetiring) return this.retire(record)
    this.keep(record)
  }

  /** From above whichever of the two was called. */
  #trace(): CheckoutTrace {
    const trace = new CheckoutTrace(this.connect)
    return trace.stack.includes('\n') ? trace : new CheckoutTrace(this.uniqueConnection)
  }

  #secondCheckout(): AssertionError {
    const { threadId, trace } = this.#first ?? {}
    const stack = trace ? `\n${trace.stack.split('\n').slice(1).join('\n')}` : ''
    return new AssertionError(`The connection is checked out already, by thread ${threadId}.${stack}`)
  }
}
