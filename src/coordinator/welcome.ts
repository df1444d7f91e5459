import type { Borrower } from '../fairies/borrower.ts'
import type { Pool } from '../pool/pool.ts'
import { queuePolicy } from '../pool/queue-options.ts'
import { kind, type Welcome } from '../protocol/messages.ts'

/** What a thread is told as it attaches. `obstacle`: why it can't run the driver itself, if nobody can. */
export function welcomeTo(pool: Pool<object>, session: number, obstacle: string | undefined): Welcome {
  const { settings, dialect, slots } = pool
  const { useThreadlocal, traceCheckouts, detectDeadlocks, timeoutMs, closeTimeoutMs, useLifo, recycleMs } = settings
  const { resetOnReturn, prePing, pingIntervalMs } = settings
  return {
    session,
    buffer: slots.share(),
    useThreadlocal,
    traceCheckouts,
    detectDeadlocks,
    timeoutMs,
    closeTimeoutMs,
    useLifo,
    recycleMs,
    ...queuePolicy(settings),
    resets: resetOnReturn !== 'none',
    prePing,
    pingIntervalMs,
    handover: obstacle === undefined ? { module: dialect.handover!.module } : { obstacle },
    pipelines: pool.lendsByItself && dialect.statement !== undefined && dialect.pipeline !== undefined,
    dialect: dialect.name,
    methods: dialect.methods && [...dialect.methods],
  }
}

/** From now on the pool may ask something of this thread by itself. */
export function takeErrands(
  { starvation, upkeep }: Pool<object>,
  borrower: Borrower,
  tell: (errand: typeof kind.collect | typeof kind.letGo) => void,
): void {
  starvation?.join(borrower, () => tell(kind.collect))
  upkeep?.join(borrower.session, () => tell(kind.letGo))
}
