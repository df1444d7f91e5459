import { PoolStatus } from '../observe/status.ts'
import type { PoolOptions } from './options.ts'
import type { ConnectionRecord } from './record.ts'
import { SharedRecordPool } from './shared-record-pool.ts'

/**
 * One connection for each thread, the coordinator's own among them (behaviours 80-93). Nested `connect()` calls of a thread give
 * the same fairy; `uniqueConnection()` gives another one over the same connection. When a thread ends, its connection is closed.
 * More than `poolSize` connections stay open only as long as their threads use them; with a `poolSize` of 0, all do.
 */
export class SingletonThreadPool<C extends object = object> extends SharedRecordPool<C> {
  constructor(options: PoolOptions<C>) {
    super({ ...options, useThreadlocal: true }, () => 'growing')
  }

  override status(): PoolStatus {
    const { poolSize } = this.settings
    const { size } = this.records
    const checkedin = this.listed.filter(record => this.isAtRest(record)).length
    const counts = {
      poolSize,
      checkedin,
      overflow: 0,
      checkedout: size - checkedin,
      waiting: this.waiting + this.held,
      state: this.state,
    }
    return new PoolStatus(counts, `SingletonThreadPool, ${size} connections`, this.transports)
  }

  override sessionOver(session: number): void {
    const record = this.recordFor(session)
    if (record) void this.forget(record)
  }

  protected override keyOf(session: number): number {
    return session
  }

  protected override makeRoom(): void {
    for (const record of this.listed) {
      if (this.#excess < 0) return
      if (this.isAtRest(record)) void this.forget(record)
    }
  }

  protected override whenUnused(record: ConnectionRecord<C>): void {
    if (this.#excess > 0 && this.listed.includes(record)) void this.forget(record)
  }

  /** How many records there are beyond `poolSize`. */
  get #excess(): number {
    const { poolSize } = this.settings
    return poolSize === 0 ? -1 : this.listed.length - poolSize
  }
}
