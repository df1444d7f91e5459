import { checkOptions, isBoolean, isDuration, orNull } from '../base/checks.ts'
import { within } from '../base/deadlines.ts'
import { asError, StaleLeaseError, TimeoutError } from '../base/errors.ts'
import { heldBy } from '../base/holder.ts'
import { slotOfLease } from '../slots/state.ts'
import type { Pool } from './pool.ts'
import type { ConnectionRecord } from './record.ts'

/** Options of `dispose()`. With none of them it does not wait for what is out. */
export interface DisposeOptions {
  /** Wait so long for what is out to come home and be closed; null: for ever. Default, with `force`: 0. */
  readonly timeoutMs?: number | null
  /** Take away what is not home by then: what runs on it is cancelled, and it is closed. Default false: fail, and say who has it. */
  readonly force?: boolean
}

const checks = { timeoutMs: orNull(isDuration), force: isBoolean }

/** Of records that a `dispose()` has marked: settles at once, or as its options say. @throws {ArgumentError} */
export async function drain<C extends object>(
  pool: Pool<C>,
  records: readonly ConnectionRecord<C>[],
  { timeoutMs, force = false }: DisposeOptions,
): Promise<void> {
  if (timeoutMs === undefined && !force) return
  const gone = pool.records.dropped(records)
  if (timeoutMs === null) return gone
  const patientMs = timeoutMs ?? 0
  if (await isOver(gone, patientMs)) return
  if (!force) throw await whoHolds(pool, records, patientMs)
  for (const record of records) takeAway(pool, record)
  // What is on its way home, or being opened, has a limit of its own: so there is an end to it, whatever listeners do.
  const { connectTimeoutMs, resetTimeoutMs, closeTimeoutMs } = pool.settings
  const mostMs = Math.max(connectTimeoutMs, resetTimeoutMs) + 2 * closeTimeoutMs
  if (!(await isOver(gone, mostMs))) throw await whoHolds(pool, records, patientMs + mostMs)
}

/** Before anything is done. */
export function checkDisposeOptions(options: DisposeOptions): void {
  checkOptions('dispose options', options, checks)
}

const isOver = (work: Promise<void>, ms: number): Promise<boolean> =>
  within(
    work.then(() => true),
    ms,
    () => new Error('late'),
  ).catch(() => false)

/** Whoever has it finds it closed; its thread is told at its next call. */
function takeAway<C extends object>(pool: Pool<C>, record: ConnectionRecord<C>): void {
  const { loan } = record
  if (pool.records.at(record.slot) !== record || loan === undefined) return
  const reason = new StaleLeaseError('This connection has been taken away: its pool was disposed with force.')
  loan.fail(reason).catch(error => pool.log.error('a connection could not be taken away cleanly.', asError(error)))
}

/** Who would not let go. */
async function whoHolds<C extends object>(
  pool: Pool<C>,
  records: readonly ConnectionRecord<C>[],
  timeoutMs: number,
): Promise<TimeoutError> {
  const left = records.filter(record => pool.records.at(record.slot) === record)
  const slots = new Set(left.map(({ slot }) => slot))
  const holders = (await pool.custody.ask()).filter(({ lease }) => slots.has(slotOfLease(lease)))
  const message = `dispose() timed out after ${timeoutMs} ms: of ${records.length} connections ${left.length} have not come home.`
  return new TimeoutError(message + heldBy(holders), { phase: 'dispose', timeoutMs, leased: left.length, holders })
}
