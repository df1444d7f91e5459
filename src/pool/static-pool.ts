import { PoolStatus } from '../observe/status.ts'
import type { PoolOptions } from './options.ts'
import { SharedRecordPool } from './shared-record-pool.ts'

/** Exactly one connection, shared by all callers at the same time (behaviours 69-79): for drivers that bear it, such as PGlite. */
export class StaticPool<C extends object = object> extends SharedRecordPool<C> {
  constructor(options: PoolOptions<C>) {
    super(options, () => 'growing')
  }

  override status(): PoolStatus {
    const checkedin = this.loans === 0 ? this.records.size : 0
    return new PoolStatus({ poolSize: 1, checkedin, overflow: 0, checkedout: this.loans, waiting: 0 }, 'StaticPool')
  }

  protected override keyOf(): number {
    return 0
  }
}
