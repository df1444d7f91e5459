import { NotClonableError } from '../base/errors.ts'
import { checkQuery, patienceWith, type QueryOptions, queryTimeout, waitOf } from '../fairies/query-options.ts'
import { kind } from '../protocol/messages.ts'
import { toWireValue } from '../protocol/wire-value.ts'
import type { Wire } from './wire.ts'

/** `pool.query()` in a worker: one message there, one back. How long its caller has patience is watched here. */
export async function runRemotely(
  { caller }: Wire,
  text: string,
  values: readonly unknown[] | undefined,
  options: QueryOptions | undefined,
): Promise<unknown> {
  checkQuery(text, values, options)
  const { value, buffers, nature } = toWireValue(values)
  if (nature === 'stuck') {
    throw new NotClonableError(
      "The values of query() can't travel to the coordinator's thread: functions, symbols and live objects can't be cloned. Nothing has been run.",
    )
  }
  const patience = options && patienceWith(options, queryTimeout)
  if (patience?.gone) throw patience.gone.reason
  const wait = options && waitOf(options)
  let wish = 0
  const answer = caller.ask(id => {
    wish = id
    return [kind.query, id, text, value as readonly unknown[] | undefined, buffers, wait]
  })
  if (patience === undefined) return answer
  if (!caller.lost) patience.watch(reason => caller.forget(wish, reason))
  return answer.finally(() => patience.end())
}
