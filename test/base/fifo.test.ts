import { describe, expect, it } from 'vitest'
import { Fifo } from '../../src/base/fifo.ts'

describe('a queue', () => {
  it('gives back in order what was put in, however much that is', () => {
    const fifo = new Fifo<number>()
    const taken: (number | undefined)[] = []
    for (let n = 0; n < 2000; n++) {
      fifo.add(n)
      if (n % 3 !== 0) taken.push(fifo.take())
    }
    expect(fifo.size).toBe(2000 - taken.length)
    expect(fifo.first).toBe(taken.length)
    while (fifo.size > 0) taken.push(fifo.take())
    expect(taken).toEqual(Array.from({ length: 2000 }, (_, n) => n))
    expect([fifo.take(), fifo.first, fifo.size]).toEqual([undefined, undefined, 0])
  })

  it('lets go of what leaves out of turn, once', () => {
    const fifo = new Fifo<string>()
    for (const item of 'abcd') fifo.add(item)
    expect([fifo.delete('a'), fifo.delete('c'), fifo.delete('c'), fifo.delete('a')]).toEqual([true, true, false, false])
    expect([...fifo]).toEqual(['b', 'd'])
    for (const item of fifo) fifo.delete(item)
    expect(fifo.size).toBe(0)
    fifo.add('e')
    fifo.clear()
    expect([...fifo]).toEqual([])
  })
})
