import { type CheckoutRequest, type ConnectionRecord, Pool, type PoolOptions, PoolStatus } from '../../src/index.ts'

/** A user's own pool: at most `poolSize` connections, the last one home is lent first; whoever comes when all are out is refused. */
export class StrictPool<C extends object = object> extends Pool<C> {
  returns = 0
  readonly #home: ConnectionRecord<C>[] = []

  constructor(options: PoolOptions<C>) {
    super(options, ({ poolSize }) => poolSize)
  }

  override status(): PoolStatus {
    const { poolSize } = this.settings
    const checkedin = this.#home.length
    const checkedout = this.records.size - checkedin
    return new PoolStatus({ poolSize, checkedin, overflow: 0, checkedout, waiting: 0 }, 'StrictPool')
  }

  override async dispose(): Promise<void> {
    for (const record of this.#home.splice(0)) {
      if (record.state === 'idle') record.reserve()
      else record.become('opening')
      await this.retire(record)
    }
  }

  protected override doGet(request: CheckoutRequest<C>): ConnectionRecord<C> {
    const { session } = request.borrower
    const record = this.#home.pop()
    if (record === undefined) {
      const created = this.records.create(session)
      if (created) return created
      throw new RangeError('All are out.')
    }
    const to = record.connection === undefined ? 'opening' : 'leased'
    if (record.attempt(this.slots.word(record.slot), to, session)) return record
    throw new Error('Nobody else lends what is home.')
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): void | Promise<void> {
    this.returns++
    if (record.recordInfo.get('tired')) return this.retire(record)
    this.keep(record)
    this.#home.push(record)
  }
}

/** A user's own pool of one connection, for which callers wait in the reverse order of their arrival. */
export class ImpatientPool<C extends object = object> extends Pool<C> {
  readonly #waiters: ((record: ConnectionRecord<C>) => void)[] = []

  constructor(options: PoolOptions<C>) {
    super(options, () => 1)
  }

  override status(): PoolStatus {
    const waiting = this.#waiters.length
    return new PoolStatus({ poolSize: 1, checkedin: 0, overflow: 0, checkedout: this.records.size, waiting })
  }

  override async dispose(): Promise<void> {}

  protected override doGet({
    borrower,
    patience,
  }: CheckoutRequest<C>): ConnectionRecord<C> | Promise<ConnectionRecord<C>> {
    const [record] = this.records
    if (record === undefined) return this.records.create(borrower.session)!
    const claim = (): ConnectionRecord<C> => {
      record.become(record.connection === undefined ? 'opening' : 'leased', borrower.session)
      return record
    }
    if (record.state === 'idle' || record.state === 'empty') return claim()
    return new Promise((resolve, reject) => {
      const waiter = (): void => {
        patience.unwatch()
        resolve(claim())
      }
      this.#waiters.push(waiter)
      patience.watch(reason => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(reason)
      })
    })
  }

  protected override doReturnConnection(record: ConnectionRecord<C>): void {
    this.keep(record)
    this.#waiters.pop()?.(record)
  }
}
