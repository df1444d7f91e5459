import { describe, expect, it } from 'vitest'
import { Ledger } from '../../src/protocol/ledger.ts'
import { collectUntil, failureOf, stateOf } from '../support/observe.ts'

function ledger(): { ledger: Ledger; changes: boolean[]; ids: number[]; open: (pinned?: object) => Promise<unknown> } {
  const changes: boolean[] = []
  const ids: number[] = []
  const ledger = new Ledger(waiting => changes.push(waiting))
  return { ledger, changes, ids, open: pinned => ledger.open(id => ids.push(id), pinned) }
}

describe('a ledger', () => {
  it('gives every request a number of its own, never 0, and each answer to the one who asked', async () => {
    const { ledger: requests, ids, open } = ledger()
    const [a, b] = [open(), open()]
    expect(new Set([...ids, 0]).size).toBe(3)
    expect(requests.resolve(ids[1]!, 'for b')).toBe(true)
    expect(requests.reject(ids[0]!, 'for a')).toBe(true)
    expect(await b).toBe('for b')
    expect(await failureOf(a)).toBe('for a')
  })

  it('says when an answer has nobody who waits for it: a second one, or one of a number never given', async () => {
    const { ledger: requests, ids, open } = ledger()
    const asked = open()
    expect(requests.resolve(999, 'x')).toBe(false)
    expect(await stateOf(asked)).toBe('pending')
    requests.resolve(ids[0]!, 'first')
    expect(requests.resolve(ids[0]!, 'second')).toBe(false)
    expect(requests.reject(ids[0]!, 'third')).toBe(false)
    expect(await asked).toBe('first')
  })

  it('settles every request when the port dies, and can be asked again', async () => {
    const { ledger: requests, ids, open } = ledger()
    const asked = [open(), open(), open()].map(failureOf)
    requests.rejectAll('dead')
    expect(await Promise.all(asked)).toEqual(['dead', 'dead', 'dead'])
    const again = open()
    requests.resolve(ids.at(-1)!, 'alive')
    expect(await again).toBe('alive')
  })

  it('tells when the first begins to wait, and when nobody waits any more', async () => {
    const { ledger: requests, changes, ids, open } = ledger()
    const asked = [open(), open()]
    expect(changes).toEqual([true])
    requests.resolve(ids[0]!, 1)
    expect(changes).toEqual([true])
    requests.resolve(ids[1]!, 2)
    expect(changes).toEqual([true, false])
    await Promise.all(asked)
    const third = open()
    requests.rejectAll('dead')
    expect(changes).toEqual([true, false, true, false])
    await failureOf(third)
  })

  it('holds what is pinned until the answer is here, and no longer', async () => {
    const { ledger: requests, ids, open } = ledger()
    const collected: string[] = []
    const registry = new FinalizationRegistry<string>(name => collected.push(name))
    const ask = (): Promise<unknown> => {
      const pinned = {}
      registry.register(pinned, 'pinned')
      return open(pinned)
    }
    const asked = ask()
    await collectUntil(() => collected.length > 0)
    expect(collected).toEqual([])
    requests.resolve(ids[0]!, 'done')
    await asked
    await collectUntil(() => collected.length > 0)
    expect(collected).toEqual(['pinned'])
  })
})
