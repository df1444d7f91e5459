import { monotonicMs } from '../base/clock.ts'
import { Ticker } from '../base/ticker.ts'
import type { Loan } from './loan.ts'

/** So long a fairy is young, at most. */
const sweepMs = 25

/**
 * Lost fairies, in whichever thread: the loan ends as if it had been closed (behaviours 271-277).
 * One registry for the thread, never itself unreachable: a registry that is collected never fires.
 */
const registry = new FinalizationRegistry<Loan<object>>(loan => {
  grown.delete(loan)
  if (!loan.isOut) return
  const ended = loan.end('collected')
  if (ended instanceof Promise) ended.catch(() => {})
})

/**
 * Held as long as they are young, so that they can't be lost: most are given back by then. A registration costs as much as all
 * the rest of a checkout, at once and again at the next collection; it is for those that stay out.
 */
const young: { readonly fairies: object[]; readonly loans: Loan<object>[] } = { fairies: [], loans: [] }

/** Those that stay out. Held as long as the registry holds them. */
const grown = new Set<Loan<object>>()

const sweeps = new Ticker(sweepMs, sweep)

/** From now on, or a moment later, the loss of this fairy ends its loan. */
export function watch(fairy: object, loan: Loan<object>): void {
  loan.place = young.loans.push(loan) - 1
  young.fairies.push(fairy)
  sweeps.start()
}

/** This loan has ended: the loss of its fairy means nothing any more. */
export function unwatch(loan: Loan<object>): void {
  const { place } = loan
  if (place === -1) {
    grown.delete(loan)
    return void registry.unregister(loan)
  }
  loan.place = -1
  const { fairies, loans } = young
  const [lastFairy, lastLoan] = [fairies.pop()!, loans.pop()!]
  if (lastLoan === loan) return
  fairies[place] = lastFairy
  loans[place] = lastLoan
  lastLoan.place = place
}

function sweep(): void {
  if (young.loans.length === 0) return sweeps.stop()
  letGo()
}

/** The young can be lost as well from now on: garbage is about to be collected, to find what is lost. */
export function letGo(): void {
  const { fairies, loans } = young
  const now = monotonicMs()
  for (const [place, loan] of loans.entries()) {
    loan.place = -1
    registry.register(fairies[place]!, loan, loan)
    grown.add(loan)
    loan.noteSince?.(now)
  }
  fairies.length = 0
  loans.length = 0
}

/** The loans of this thread's fairies that are out. */
export function* loansOut(): Generator<Loan<object>, void> {
  for (const loan of young.loans) if (loan.isOut) yield loan
  for (const loan of grown) if (loan.isOut) yield loan
}
