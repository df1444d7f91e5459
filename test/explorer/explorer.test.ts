import { describe, expect, it } from 'vitest'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { explore, type Scenario } from './explorer.ts'
import { sharedTable } from './house.ts'
import type { Program } from './replay.ts'
import { print } from './schedule.ts'

/** Adds one in two steps: what another thread adds between them is lost. */
const adds: Program = ({ table }) => {
  table.waiters = table.waiters + 1
}

const counting = (threads: readonly Program[]): Scenario => ({
  buffer: sharedTable(1, 0).share(),
  threads,
  atRest: words => {
    const buffer = new SharedArrayBuffer(words.byteLength)
    new Int32Array(buffer).set(words)
    const { waiters } = SlotTable.attach(buffer)
    return waiters === threads.length ? undefined : `${waiters} instead of ${threads.length}`
  },
})

describe('the explorer', () => {
  it('finds the one schedule among others in which something goes wrong, and says it in words', () => {
    const { counterexample } = explore(counting([adds, adds]))
    expect(print(counterexample!, 2).split('\n')).toEqual([
      '1 instead of 2',
      '  coordinator  reads waiters: 0',
      '  thread 1     reads waiters: 0',
      '  thread 1     sets waiters to 1',
      '  coordinator  sets waiters to 1',
    ])
  })

  it('finds it with one preemption, and not with none', () => {
    expect(explore({ ...counting([adds, adds]), preemptions: 0 }).counterexample).toBeUndefined()
    expect(explore({ ...counting([adds, adds]), preemptions: 1 }).counterexample).toBeDefined()
  })

  it('finds every outcome of three threads', () => {
    const outcomes = new Set<string>()
    const { counterexample } = explore({
      ...counting([adds, adds, adds]),
      atRest: words => {
        outcomes.add(String(words[2]))
        return undefined
      },
    })
    expect(counterexample).toBeUndefined()
    expect([...outcomes].sort()).toEqual(['1', '2', '3'])
  })

  it('lets a mortal thread die before it has said anything', () => {
    const heard: Program = scope => {
      if (scope.take().message[0] === 'gone') throw new Error('gone')
    }
    const says: Program = scope => scope.send(0, ['said'])
    const faults = [[], [1]].map(mortals => {
      const scenario = { ...counting([heard, says]), atRest: () => undefined, mortals }
      return explore(scenario).counterexample?.fault
    })
    expect(faults).toEqual([undefined, 'gone'])
  })

  it('says what a program throws, even before its first step', () => {
    const throws: Program = () => {
      throw new Error('at once')
    }
    expect(explore(counting([throws])).counterexample?.fault).toBe('at once')
  })
})
