import { asError } from '../base/errors.ts'
import { ConnectionFairy } from '../fairies/fairy.ts'
import type { Statement } from '../statements/statement.ts'
import { StatementLease } from '../statements/statement-lease.ts'
import type { Checkout } from './checkout.ts'
import { CheckoutLine } from './checkout-line.ts'
import type { Pool } from './pool.ts'
import { CheckoutRequest } from './request.ts'

/** Runs a statement as its caller would: checkout, query, close. For pools that have no queue of their own. */
export async function runAlone<C extends object>(pool: Pool<C>, statement: Statement): Promise<void> {
  const options = {
    timeoutMs: statement.waitMs,
    fairyOver: (checkout: Checkout<C>) => ConnectionFairy.temporary<C>(checkout),
  }
  const request = new CheckoutRequest<C>(statement.borrower, options, ({ phase, timeoutMs }) =>
    pool.timeoutError({ phase, timeoutMs, verb: 'query' }),
  )
  const leave = (): void => request.patience.leave(asError('The caller has left.'))
  statement.waits({ left: leave })
  try {
    const lease = new StatementLease(new CheckoutLine(pool, await pool.checkout(request)), {
      paced() {},
      again: statement => void runAlone(pool, statement),
      ready: () => lease.end(),
      lost() {},
    })
    if (statement.isWaiting) lease.send(statement, 'alone')
    else lease.end()
  } catch (error) {
    statement.fail(error)
  } finally {
    request.patience.end()
  }
}
