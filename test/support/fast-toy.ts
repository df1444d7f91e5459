import type { BatchReader, Dialect } from '../../src/dialects/dialect.ts'
import type { PoolOptions } from '../../src/pool/options.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import { openPool } from './open-pool.ts'
import { ToyConnection } from './toy-driver.ts'

/** A toy whose driver knows whether a transaction is open, and learns by itself that its connection is gone. */
export class FastToy extends ToyConnection {
  transaction: 'open' | 'none' = 'none'
  /** What the pool wants to be told when the connection is gone. */
  lose: () => void = () => {}
  /** Cursors that nobody has closed. */
  cursors = 0

  begin(): void {
    this.log.push('begin')
    this.transaction = 'open'
  }

  override rollback(): void {
    super.rollback()
    this.transaction = 'none'
  }
}

/** Rows 1, 2, 3 and so on, one in a batch. */
function readToy(connection: FastToy, [count]: readonly unknown[]): BatchReader {
  let row = 0
  let isOpen = true
  connection.cursors++
  const close = async (): Promise<void> => {
    if (isOpen) connection.cursors--
    isOpen = false
  }
  const read = async (): Promise<readonly unknown[]> => {
    if (row < (count as number)) return [++row]
    await close()
    return []
  }
  return { read, close }
}

/** A pool whose connections are lent and returned without messages wherever that is allowed, and all that it has opened. */
export interface FastPool {
  readonly pool: QueuePool<FastToy>
  readonly made: FastToy[]
}

/** A shared pool for the test that runs: one connection, unless `options` say otherwise. */
export function fastPool(options: PoolOptions<FastToy> = {}, abilities: Partial<Dialect<FastToy>> = {}): FastPool {
  const made: FastToy[] = []
  const dialect: Dialect<FastToy> = {
    name: 'fast toy',
    connect() {
      const connection = new FastToy(made.length + 1)
      made.push(connection)
      return connection
    },
    rollback: fairy => fairy.rollback(),
    commit: fairy => fairy.commit(),
    close: connection => connection.close(),
    inTransaction: connection => connection.transaction === 'open',
    watch(connection, lost) {
      connection.lose = lost
    },
    cursor: readToy,
    ...abilities,
  }
  return { pool: openPool<FastToy>({ dialect, poolSize: 1, maxOverflow: 0, ...options }), made }
}
