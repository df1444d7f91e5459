import type { Checkout } from '../../src/pool/checkout.ts'
import type { Pool } from '../../src/pool/pool.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import { isHome, Records } from '../../src/pool/records.ts'
import { type Waiter, Waiters } from '../../src/pool/waiters.ts'
import { slotFlag } from '../../src/slots/layout.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { isIdle, sessionOf, slotOfLease, stateOf, wordOfLease } from '../../src/slots/state.ts'
import { Loan } from './loan.ts'
import type { Program, Scope } from './replay.ts'
import { isGood, isSpokenFor, isSuspended, look, pinged, resume } from './upkeep.ts'

/**
 * The coordinator without promises: the pool's own records, waiters and tenures, and between them what `QueuePool`, `Session` and
 * `Holdings` do, each in the same order. What they await comes back as a message of the coordinator to itself, so anything may
 * happen meanwhile.
 */
export class Coordinator {
  readonly scope: Scope
  readonly records: Records<object>
  readonly waiters: Waiters<object>
  /** Sessions whose messages come too late. */
  readonly #ended = new Set<number>()
  readonly #wishes = new Map<string, Waiter<object>>()
  /** See `look()`. */
  mayTakeCalled = false

  /** With so many records at home, connected. */
  constructor(scope: Scope, connected: number) {
    this.scope = scope
    const pool = {
      // They have been made before the exploration begins, on another table.
      slots: SlotTable.create(connected),
      adopt: (record: ConnectionRecord<object>, session: number, word: number) => this.#meet(record, session, word),
      sharersOf: () => undefined,
      settings: { recycleMs: -1 },
      needsReset: () => false,
      custody: { begin: () => {} },
    }
    this.records = new Records(pool as unknown as Pool<object>)
    for (let slot = 0; slot < connected; slot++) this.records.create(0)!.connection = {}
    pool.slots = scope.table
    this.waiters = new Waiters(() => scope.table)
  }

  get slots(): SlotTable {
    return this.scope.table
  }

  /** Attends to messages for ever. */
  attend(): void {
    for (;;) this.receive()
  }

  receive(): void {
    const { from, message } = this.scope.take()
    if (this.#ended.has(from) && message[0] !== 'gone') return
    const [name, fact = 0, session = 0, id = 0] = message
    const record = this.records.at(fact)
    if (name === 'ask') this.ask(from, fact)
    if (name === 'freed') this.tidy()
    if (name === 'leave') this.#leave(from, fact)
    if (name === 'end') this.#end(fact)
    if (name === 'gone') this.takeBack(from)
    if (name === 'over') this.#over(fact)
    if (name === 'opened') this.#opened(record!, session, id)
    if (name === 'closed') this.comeHome(record!)
    if (name === 'shut') this.#discard(record!)
    if (name === 'pinged') pinged(this, record!)
    if (name === 'resumed') resume(this)
    if (name === 'tidy') this.tidy()
    if (name === 'look') look(this)
  }

  /** See `Session.#handle`, `Session.#ask` and `QueuePool.doGet`. */
  ask(session: number, id: number): void {
    if (this.slots.sessions.waiting(session) === 0) return this.scope.send(session, ['dismissed', id])
    const record = this.waiters.next() === undefined && !isSuspended(this) ? this.take(session) : undefined
    if (record !== undefined) return this.#lend(record, session, id)
    const waiter: Waiter<object> = {
      session,
      grant: granted => this.#lend(granted, session, id),
      leave: () => {
        this.waiters.delete(waiter)
        this.#wishes.delete(`${session} ${id}`)
        this.scope.send(session, ['dismissed', id])
      },
    }
    this.#wishes.set(`${session} ${id}`, waiter)
    this.wait(waiter)
  }

  wait(waiter: Waiter<object>): void {
    this.waiters.add(waiter)
    this.serveWaiters()
  }

  serveWaiters(): void {
    for (let waiter = this.#next(); waiter; waiter = this.#next()) {
      const record = this.take(waiter.session)
      if (record === undefined) return this.#takeBackOffers()
      this.#grant(waiter, record)
    }
  }

  /** Whose turn it is, if it is anybody's. */
  #next(): Waiter<object> | undefined {
    const next = this.waiters.next()
    return isSuspended(this) ? undefined : next
  }

  tidy(): void {
    this.closeRetiring()
    this.serveWaiters()
  }

  /** See `Session.end`: a thread that lives is told to leave, and answers by closing its port. */
  dismiss(session: number): void {
    this.takeBack(session)
    this.scope.send(session, ['bye'])
  }

  /** See `Session.#takeBack`, which `Session.over` calls twice. */
  takeBack(session: number): void {
    this.forget(session)
    // Closed first: what is claimed after that is not claimed for good.
    this.slots.sessions.close(session)
    this.endLeases(session)
    this.scope.send(0, ['over', session])
  }

  #over(session: number): void {
    this.tidy()
    this.endLeases(session)
    this.tidy()
  }

  forget(session: number): void {
    this.#ended.add(session)
    for (const [name, waiter] of this.#wishes) {
      if (waiter.session !== session) continue
      this.#wishes.delete(name)
      this.waiters.delete(waiter)
    }
  }

  endLeases(session: number): void {
    for (const record of this.records) {
      const known = record.current as unknown as Loan | undefined
      const isHeld = known?.borrower.session === session && known.isValid
      if (!isHeld && !(record.isClaimed && sessionOf(this.slots.word(record.slot)) === session)) continue
      this.#die(record.loan as unknown as Loan | undefined, session)
    }
  }

  #die(loan: Loan | undefined, session: number): void {
    if (loan?.borrower.session === session && loan.end('closing', 'any')) this.shut(loan.record)
  }

  /** Its slot is `closing`; the driver takes its time. */
  shut(record: ConnectionRecord<object>): void {
    record.current = undefined
    record.connection = undefined
    this.scope.send(0, ['closed', record.slot])
  }

  #leave(session: number, id: number): void {
    const wish = this.#wishes.get(`${session} ${id}`)
    if (wish === undefined) return this.serveWaiters()
    this.#wishes.delete(`${session} ${id}`)
    this.waiters.delete(wish)
  }

  #end(lease: number): void {
    const record = this.records.at(slotOfLease(lease))
    if (record === undefined || this.slots.word(record.slot) !== wordOfLease(lease)) return
    const loan = record.loan as unknown as Loan | undefined
    if (!loan?.end('returning', 'exact')) return
    record.current = undefined
    this.comeHome(record)
  }

  /** See `QueuePool.doReturnConnection`. */
  comeHome(record: ConnectionRecord<object>): void {
    if (record.isRetiring) return this.#retire(record)
    const waiter = this.#next()
    if (waiter === undefined) return this.#keep(record)
    if (record.state === 'closing') record.reopen(waiter.session)
    else record.become(record.connection ? 'leased' : 'opening', waiter.session)
    this.#grant(waiter, record)
  }

  #keep(record: ConnectionRecord<object>): void {
    this.slots.stampReturn(record.slot)
    this.slots.unmark(record.slot, slotFlag.offered)
    if (record.connection === undefined) return record.become('empty')
    record.assess()
    record.become('idle')
  }

  #grant(waiter: Waiter<object>, record: ConnectionRecord<object>): void {
    this.waiters.delete(waiter)
    waiter.grant(record)
  }

  take(session: number): ConnectionRecord<object> | undefined {
    for (;;) {
      const spoken = isSpokenFor(this)
      const next = [...this.records].find(each => isHome(each) && !(spoken && isGood(each, this)))
      if (next === undefined) return this.records.create(session)
      if (next.isRetiring) {
        this.closeRetiring()
        continue
      }
      const word = this.slots.word(next.slot)
      if (stateOf(word) === 'empty') next.become('opening', session)
      else if (!isIdle(word) || !next.attempt(word, 'leased', session)) continue
      return next
    }
  }

  /** The record is claimed for this ask; a connection that is stale is replaced first. */
  #lend(record: ConnectionRecord<object>, session: number, id: number): void {
    if (record.connection && record.staleness === undefined) return this.#granted(record, session, id)
    if (record.connection) record.become('closing')
    if (record.state === 'closing') record.reopen(session)
    this.slots.stampOpening(record.slot, 0)
    this.#wishes.set(`${session} ${id}`, { session, grant: () => {}, leave: () => {} })
    this.scope.send(0, ['opened', record.slot, session, id])
  }

  #opened(record: ConnectionRecord<object>, session: number, id: number): void {
    record.connection = {}
    record.become('leased', session)
    if (this.#wishes.delete(`${session} ${id}`)) return this.#granted(record, session, id)
    record.become('returning')
    this.comeHome(record)
  }

  #granted(record: ConnectionRecord<object>, session: number, id: number): void {
    this.#wishes.delete(`${session} ${id}`)
    this.slots.unmark(record.slot, slotFlag.offered)
    record.assess()
    const loan = new Loan(this.scope, record, session)
    record.current = loan as unknown as Checkout<object>
    this.slots.mark(record.slot, slotFlag.offered)
    this.scope.send(session, ['grant', id, loan.tenure.lease])
    // See `Session.#grant`.
    if (this.slots.sessions.waiting(session) === 0) this.scope.send(0, ['tidy'])
  }

  #takeBackOffers(): void {
    const { sessions } = this.slots
    for (const record of this.records) {
      const session = sessionOf(this.slots.word(record.slot))
      const current = record.current as unknown as Loan | undefined
      if (record.isUnmet && !sessions.isOpen(session)) this.#die(record.adopt() as unknown as Loan, session)
      else if (current?.isOffer && !record.isClaimed && sessions.waiting(session) === 0) {
        if (current.end('returning', 'exact')) this.comeHome(record)
      }
    }
  }

  closeRetiring(): void {
    for (const record of this.records) {
      if (!record.isRetiring) continue
      if (record.state === 'empty') record.become('opening')
      else if (!record.reserve()) continue
      this.#retire(record)
    }
  }

  #retire(record: ConnectionRecord<object>): void {
    if (record.state !== 'closing') record.become('closing')
    record.connection = undefined
    this.scope.send(0, ['shut', record.slot])
  }

  #discard(record: ConnectionRecord<object>): void {
    this.records.drop(record)
    this.serveWaiters()
  }

  #meet(record: ConnectionRecord<object>, session: number, word: number): Checkout<object> {
    const loan = new Loan(this.scope, record, session, word) as unknown as Checkout<object>
    record.current = loan
    return loan
  }
}

/** A coordinator that does something first, and then attends to messages. */
export const coordinator =
  (connected: number, first: (coordinator: Coordinator) => void = () => {}, Class = Coordinator): Program =>
  scope => {
    const made = new Class(scope, connected)
    first(made)
    made.attend()
  }
