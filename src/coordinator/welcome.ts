import type { Pool } from '../pool/pool.ts'
import type { Welcome } from '../protocol/messages.ts'

/** What a thread is told as it attaches. `obstacle`: why it can't run the driver itself, if nobody can. */
export function welcomeTo(pool: Pool<object>, session: number, obstacle: string | undefined): Welcome {
  const { settings, dialect, slots } = pool
  const { useThreadlocal, traceCheckouts, timeoutMs, closeTimeoutMs, useLifo, recycleMs } = settings
  const { poolSize, maxOverflow, resetOnReturn, prePing, pingIntervalMs } = settings
  return {
    session,
    buffer: slots.share(),
    useThreadlocal,
    traceCheckouts,
    timeoutMs,
    closeTimeoutMs,
    useLifo,
    recycleMs,
    limit: maxOverflow < 0 ? null : poolSize + maxOverflow,
    resets: resetOnReturn !== 'none',
    prePing,
    pingIntervalMs,
    handover: obstacle === undefined ? { module: dialect.handover!.module } : { obstacle },
    pipelines: pool.lendsByItself && dialect.statement !== undefined && dialect.pipeline !== undefined,
    dialect: dialect.name,
    methods: dialect.methods && [...dialect.methods],
  }
}
