import { PoolStatus } from '../observe/status.ts'
import type { PoolOptions } from './options.ts'
import type { ConnectionRecord } from './record.ts'
import { SharedRecordPool } from './shared-record-pool.ts'

/**
 * One connection for each thread, the coordinator's own among them (behaviours 80-93). Nested `connect()` calls of a thread give
 * the same fairy; `uniqueConnection()` gives another one over the same connection. When a thread ends, its connection is closed.
 * More than `poolSize` connections stay open only as long as their threads use them.
 */
export class SingletonThreadPool<C extends object = object> extends SharedRecordPool<C> {
  constructor(options: PoolOptions<C>) {
    super({ ...options, useThreadlocal: true }, () => 'growing')
  }

  override status(): PoolStatus {
    const { poolSize } = this.settings
    const checkedout = [...this.records].filter(record => this.loansOf(record) > 0).length
    const checkedin = this.records.size - checkedout
    const label = `SingletonThreadPool, ${this.records.size} connections`
    return new PoolStatus({ poolSize, checkedin, overflow: 0, checkedout, waiting: 0 }, label)
  }

  override sessionOver(session: number): void {
    const record = this.recordFor(session)
    if (record) void this.forget(record)
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): void {
    super.doReturnConnection(record)
    // Its thread has ended while it was being opened.
    if (this.loansOf(record) === 0 && !this.slots.sessions.isOpen(this.keyOfRecord(record))) void this.forget(record)
  }

  protected override keyOf(session: number): number {
    return session
  }

  protected override makeRoom(): void {
    let excess = this.records.size - this.settings.poolSize + 1
    for (const record of this.records) {
      if (excess <= 0) return
      if (this.loansOf(record) > 0 || record.state !== 'leased') continue
      void this.forget(record)
      excess--
    }
  }
}
