import type { ConnectionRecord } from '../../src/pool/record.ts'
import { isAllSpokenFor } from '../../src/slots/fair-share.ts'
import { slotFlag, tableFlag } from '../../src/slots/layout.ts'
import type { Coordinator } from './coordinator.ts'
import type { Loan } from './loan.ts'

/** See `QueuePool.dispose`. */
export function dispose(coordinator: Coordinator): void {
  // Marked first, then closed: a thread that returns one by itself does it the other way round.
  for (const { slot } of coordinator.records) coordinator.slots.mark(slot, slotFlag.retiring)
  coordinator.closeRetiring()
}

/** See `ConnectionRecord.close`: of a record that is idle, if it can be reserved. */
export function close(coordinator: Coordinator, slot: number): void {
  const record = coordinator.records.at(slot)
  if (!record?.reserve()) return
  record.become('closing')
  record.connection = undefined
  record.become('empty')
  coordinator.tidy()
}

/** See `ConnectionRecord.invalidate`: the present loan is ended under its borrower. */
export function invalidate(coordinator: Coordinator, slot: number): void {
  const record = coordinator.records.at(slot)!
  const loan = record.loan as unknown as Loan | undefined
  if (loan?.end('closing', 'any')) coordinator.shut(record)
}

/** A record is held for a look at it, and left as it was. */
export function inspect(coordinator: Coordinator, slot: number): void {
  const record = coordinator.records.at(slot)
  if (!record?.reserve()) return
  record.become('idle')
  coordinator.tidy()
}

/** See `Upkeep`: what is past its lifetime is closed where it lies, or marked, so that it is closed when it comes home. */
export function expire(coordinator: Coordinator, slot: number): void {
  const record = coordinator.records.at(slot)
  if (record === undefined) return
  coordinator.slots.mark(slot, slotFlag.retiring)
  coordinator.closeRetiring()
}

/** See `Upkeep`: a record is held for a ping, and put back when that has been answered. Anything may happen meanwhile. */
export function ping(coordinator: Coordinator, slot: number): void {
  if (coordinator.records.at(slot)?.reserve()) coordinator.scope.send(0, ['pinged', slot])
}

export function pinged(coordinator: Coordinator, record: ConnectionRecord<object>): void {
  record.become('idle')
  coordinator.tidy()
}

export const isSuspended = ({ slots }: Coordinator): boolean => slots.has(tableFlag.suspended)

/** See `Suspendable`: for a while, in which anything may happen. */
export function suspend({ slots, scope }: Coordinator): void {
  slots.set(tableFlag.suspended, true)
  scope.send(0, ['resumed'])
}

export function resume(coordinator: Coordinator): void {
  coordinator.slots.set(tableFlag.suspended, false)
  coordinator.serveWaiters()
}

/** See `Vigil.isAllSpokenFor`. */
export const isSpokenFor = ({ mayTakeCalled, slots }: Coordinator): boolean => !mayTakeCalled && isAllSpokenFor(slots)

export const isGood = ({ state, slot }: ConnectionRecord<object>, { slots }: Coordinator): boolean =>
  state === 'idle' && slots.isFresh(slot)

/** See `Vigil`: nobody has come for what is idle. */
export function look(coordinator: Coordinator): void {
  coordinator.mayTakeCalled = true
  coordinator.tidy()
  coordinator.mayTakeCalled = false
}
