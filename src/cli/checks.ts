import type { DemoFacts } from './demo.ts'

/** One thing that has to be so, and whether it was. */
export interface Check {
  readonly what: string
  readonly held: boolean
}

/** All that the demo promises. How fast anybody was is not among it: that is for the reader to see. */
export function checksOf({ options, contest, books, forgotten, killed, leftovers }: DemoFacts): Check[] {
  const { threads, connections } = options
  const { homecomings } = forgotten
  const { accounts, tellers, branches, history, historyRows, transactionsCounted } = books
  const home = (from: 'end' | 'drop', reason: string): number =>
    homecomings.filter(fairy => fairy.forgotten === from && fairy.reason === reason).length
  const all = homecomings.length
  return [
    {
      what: `the shared pool had ${contest.shared.serverConnections} connections at the server, of ${connections} it may have`,
      held: contest.shared.serverConnections > 0 && contest.shared.serverConnections <= connections,
    },
    {
      what: `the pools of ${threads} threads had ${contest.own.serverConnections}, of ${threads * connections} they may have`,
      held: contest.own.serverConnections > 0 && contest.own.serverConnections <= threads * connections,
    },
    {
      what: 'the books balance: accounts, tellers and branches sum up to the history',
      held: [accounts, tellers, branches].every(sum => sum === history),
    },
    {
      what: 'the history has one row for each transaction that a worker has counted',
      held: historyRows === transactionsCounted,
    },
    {
      what: `${home('end', 'task ended')} of ${all / 2} connections that were open when their task ended came home by that`,
      held: home('end', 'task ended') === all / 2,
    },
    {
      what: `${home('drop', 'collected')} of ${all / 2} connections that were lost within a task came home by garbage collection`,
      held: home('drop', 'collected') === all / 2,
    },
    { what: `${forgotten.checkedout} connections were out after that`, held: forgotten.checkedout === 0 },
    {
      what: 'each killed worker gave its connection up: closed at the server, the change rolled back',
      held: killed.kills.every(kill => kill.reason === 'died' && kill.sessionGone && kill.rolledBack),
    },
    {
      what: 'each time, the caller who waited got a new connection',
      held: killed.kills.length > 0 && killed.kills.every(kill => kill.replaced),
    },
    { what: `${leftovers} connections were left at the server at the end`, held: leftovers === 0 },
  ]
}
