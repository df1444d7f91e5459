import { expect, it } from 'vitest'
import { Inquiry } from '../../src/coordinator/inquiry.ts'
import { fakeTime, pass } from '../support/fake-time.ts'
import { stateOf } from '../support/observe.ts'

fakeTime()

const facts = { lease: 7, task: 'a.mjs', stack: 'Error\n    at a', statement: 'select 1' }

it('one question is put for all who want to know', async () => {
  let posted = 0
  const inquiry = new Inquiry(() => posted++)
  const asked = [inquiry.ask(10), inquiry.ask(50)]
  expect(posted).toBe(1)
  inquiry.answered([facts])
  expect(await Promise.all(asked)).toEqual([[facts], [facts]])
})

it('a thread that does not answer is waited for once, until it does', async () => {
  let posted = 0
  const inquiry = new Inquiry(() => posted++)
  const first = inquiry.ask(10)
  await pass(9)
  expect(await stateOf(first)).toBe('pending')
  await pass(1)
  expect([await first, await inquiry.ask(1000), posted]).toEqual([undefined, undefined, 1])
  inquiry.answered([])
  const next = inquiry.ask(10)
  inquiry.answered([facts])
  expect([await next, posted]).toEqual([[facts], 2])
})

it('one that is gone answers nothing, and nobody waits for it', async () => {
  const inquiry = new Inquiry(() => {})
  const asked = inquiry.ask(1000)
  inquiry.end()
  expect(await asked).toBeUndefined()
})

it('no more is kept of what a thread says than somebody may be shown', async () => {
  const inquiry = new Inquiry(() => {})
  const long = { lease: 7, task: 'f'.repeat(1000), stack: 's'.repeat(100_000), statement: 't'.repeat(1000), more: 7 }
  const asked = inquiry.ask(10)
  inquiry.answered([long, facts])
  const cut = { lease: 7, task: `${'f'.repeat(300)}…`, stack: 's'.repeat(8000), statement: `${'t'.repeat(300)}…` }
  expect(await asked).toEqual([cut, facts])
})
