import { InvalidRequestError } from '../base/errors.ts'
import { PoolStatus } from '../observe/status.ts'
import { checkDisposeOptions, type DisposeOptions, drain } from './draining.ts'
import type { PoolOptions } from './options.ts'
import { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'
import type { CheckoutRequest } from './request.ts'

/** Keeps nothing: every checkout opens a connection and every return closes it (behaviours 60-68). No limit, no waiting. */
export class NullPool<C extends object = object> extends Pool<C> {
  constructor(options: PoolOptions<C>) {
    super(options, () => 'growing')
  }

  override status(): PoolStatus {
    const checkedout = this.records.size
    return new PoolStatus(
      { poolSize: 0, checkedin: 0, overflow: 0, checkedout, waiting: this.held, state: this.state },
      'NullPool',
      this.transports,
    )
  }

  /** There is nothing to close; but there may be something to wait for. */
  override async dispose(options: DisposeOptions = {}): Promise<void> {
    checkDisposeOptions(options)
    await drain(this, [...this.records], options)
  }

  protected override doGet({ borrower }: CheckoutRequest<C>): ConnectionRecord<C> {
    const record = this.records.create(borrower.session)
    if (record) return record
    throw new InvalidRequestError('65,536 connections are checked out, and that is the most.')
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): Promise<void> {
    return this.retire(record)
  }
}
