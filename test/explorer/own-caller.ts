import type { Checkout } from '../../src/pool/checkout.ts'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { Coordinator } from './coordinator.ts'
import { Loan } from './loan.ts'

/** A caller in the coordinator's own thread, who returns the connection as soon as he has used it. See `QueuePool.doGet`. */
export function borrow(coordinator: Coordinator): void {
  const grant = (record: ConnectionRecord<object>): void => {
    if (record.state === 'opening') {
      record.connection = {}
      record.become('leased', 0)
    }
    const loan = new Loan(coordinator.scope, record, 0)
    record.current = loan as unknown as Checkout<object>
    coordinator.scope.use(loan.tenure.lease)
    loan.end('returning', 'exact')
    record.current = undefined
    coordinator.comeHome(record)
  }
  const record = coordinator.waiters.next() === undefined ? coordinator.take(0) : undefined
  if (record !== undefined) return grant(record)
  coordinator.wait({ session: 0, grant, leave: () => {} })
}
