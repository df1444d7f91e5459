import { PoolStatus } from '../observe/status.ts'
import { checkDisposeOptions, type DisposeOptions } from './draining.ts'
import type { PoolOptions } from './options.ts'
import { SharedRecordPool } from './shared-record-pool.ts'

/** Exactly one connection, shared by all callers at the same time (behaviours 69-79): for drivers that bear it, such as PGlite. */
export class StaticPool<C extends object = object> extends SharedRecordPool<C> {
  constructor(options: PoolOptions<C>) {
    super(options, () => 'growing')
  }

  override status(): PoolStatus {
    const checkedin = this.listed.filter(record => this.isAtRest(record)).length
    const checkedout = Math.max(this.loans, this.records.size - checkedin)
    return new PoolStatus(
      { poolSize: 1, checkedin, overflow: 0, checkedout, waiting: this.waiting + this.held, state: this.state },
      'StaticPool',
      this.transports,
    )
  }

  /** Closes the connection and forgets its record; one that is empty already is kept (behaviour 77). */
  override async dispose(options: DisposeOptions = {}): Promise<void> {
    checkDisposeOptions(options)
    await this.forgetAll(
      this.listed.filter(({ state }) => state !== 'empty'),
      options,
    )
  }

  protected override keyOf(): number {
    return 0
  }
}
