import type { Patience } from '../../src/base/patience.ts'
import type { Welcome } from '../../src/protocol/messages.ts'
import { kind } from '../../src/protocol/messages.ts'
import type { RemoteCaller } from '../../src/transports/remote-caller.ts'
import { Lessee } from '../../src/worker/lessee.ts'
import type { Message, Program, Scope } from './replay.ts'

/** The requests of a lessee that are modelled. */
const names = new Map<unknown, string>([
  [kind.ask, 'ask'],
  [kind.freed, 'freed'],
  [kind.leave, 'leave'],
])

/** A thread's lessee, with a mailbox whose messages are steps. */
export function lesseeOf(scope: Scope): Lessee {
  let lastId = 0
  const caller = {
    lost: undefined,
    nextId: () => ++lastId,
    keepAlive: () => {},
    tell: ([what, id]: readonly [unknown, number?]) => {
      scope.send(0, id === undefined ? [names.get(what)!] : [names.get(what)!, id])
    },
  }
  const welcome = { session: scope.self, useLifo: false, recycleMs: -1, limit: scope.table.capacity }
  return new Lessee(scope.table, caller as unknown as RemoteCaller, welcome as unknown as Welcome)
}

/** False: the thread has been told to leave, and has closed its port. */
function receive(lessee: Lessee, scope: Scope): boolean {
  const [name, id = 0, lease = 0]: Message = scope.take().message
  if (name === 'grant') lessee.granted(id, lease, true)
  if (name === 'dismissed') lessee.dismissed(id)
  if (name === 'rung') scope.heard()
  if (name !== 'bye') return true
  lessee.lose(new Error('told to leave'))
  scope.send(0, ['gone'])
  return false
}

const patience = { watch: () => {} } as unknown as Patience

/**
 * A thread in which so many callers want a connection at once, use it and give it back. Afterwards it goes on to attend to messages,
 * or `sleeps`.
 */
export const borrower =
  (callers = 1, afterwards: 'attends' | 'sleeps' = 'attends'): Program =>
  scope => {
    const lessee = lesseeOf(scope)
    const granted: number[] = []
    const grant = (lease: number): void => {
      granted.push(lease)
    }
    for (let caller = 0; caller < callers; caller++) {
      const lease = lessee.claim()
      if (lease !== 0) grant(lease)
      else lessee.wait({ grant, fail: () => {} }, patience)
    }
    for (let served = 0; served < callers || afterwards === 'attends'; ) {
      const lease = granted.shift()
      if (lease === undefined) {
        if (!receive(lessee, scope)) return
        continue
      }
      served++
      scope.use(lease)
      if (!lessee.giveBack(lease)) scope.send(0, ['end', lease])
    }
  }
