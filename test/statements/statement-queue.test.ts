import { describe, expect, it } from 'vitest'
import { Statement } from '../../src/statements/statement.ts'
import { StatementQueue } from '../../src/statements/statement-queue.ts'

const statement = (session: number, text: string): Statement =>
  new Statement(
    { session, threadId: session },
    { text, values: undefined, args: [text], waitMs: null, whole: undefined },
    { resolve() {}, reject() {} },
  )

const drain = (queue: StatementQueue): string[] => {
  const texts: string[] = []
  while (queue.size > 0) texts.push(queue.take()!.text)
  return texts
}

describe('statements that wait', () => {
  it('come thread by thread in turn, and within a thread in the order of their arrival', () => {
    const queue = new StatementQueue()
    for (const text of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) queue.add(statement(text.charCodeAt(0), text))
    expect(queue.first!.text).toBe('a1')
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    expect([queue.first, queue.take()]).toEqual([undefined, undefined])
  })

  it('leave the queue that they are in, once, and no other', () => {
    const [quick, slow] = [new StatementQueue(), new StatementQueue()]
    const [one, two, three, four] = ['1', '2', '3', '4'].map(text => statement(1, text))
    for (const each of [one!, two!]) quick.add(each)
    for (const each of [three!, four!]) slow.add(each)
    expect([quick.delete(four!), slow.delete(two!), quick.delete(two!), quick.delete(two!)]).toEqual([
      false,
      false,
      true,
      false,
    ])
    expect([drain(quick), drain(slow)]).toEqual([['1'], ['3', '4']])
    expect(slow.delete(four!)).toBe(false)
  })
})
