import { NotClonableError } from '../base/errors.ts'
import { checkQuery, patienceWith, type QueryOptions, queryTimeout, waitOf } from '../fairies/query-options.ts'
import { kind, type QueryRequest } from '../protocol/messages.ts'
import { toWireValue } from '../protocol/wire-value.ts'
import type { Statement } from '../statements/statement.ts'
import type { Wire } from './wire.ts'

/** `pool.query()` in a worker: one message there, one back. How long its caller has patience is watched here. */
export async function runRemotely(
  { caller }: Wire,
  text: string,
  values: readonly unknown[] | undefined,
  options: QueryOptions | undefined,
): Promise<unknown> {
  checkQuery(text, values, options)
  const travelling = travellingOf(values)
  const patience = options && patienceWith(options, queryTimeout)
  if (patience?.gone) throw patience.gone.reason
  const wait = options && waitOf(options)
  let wish = 0
  const answer = caller.ask(id => {
    wish = id
    return [kind.query, id, text, ...travelling, wait]
  })
  if (patience === undefined) return answer
  if (!caller.lost) patience.watch(reason => caller.forget(wish, reason))
  return answer.finally(() => patience.end())
}

/** A statement that waits in this thread goes to the coordinator after all. Its caller's patience is watched as before. */
export function passOn({ caller }: Wire, statement: Statement): void {
  let wish = 0
  statement.sent({ left: () => caller.forget(wish, undefined) })
  try {
    const travelling = travellingOf(statement.values)
    const answer = caller.ask(id => {
      wish = id
      return [kind.query, id, statement.text, ...travelling, statement.waitMs === null ? null : undefined]
    })
    answer.then(
      value => statement.resolve(value),
      (error: unknown) => statement.fail(error),
    )
  } catch (error) {
    statement.fail(error)
  }
}

/** Values, as they travel. @throws {NotClonableError} */
function travellingOf(values: readonly unknown[] | undefined): [QueryRequest[3], QueryRequest[4]] {
  const { value, buffers, nature } = toWireValue(values)
  if (nature !== 'stuck') return [value as readonly unknown[] | undefined, buffers]
  throw new NotClonableError(
    "The values of query() can't travel to the coordinator's thread: functions, symbols and live objects can't be cloned. Nothing has been run.",
  )
}
