import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Chain, Link } from '../../src/base/chain.ts'

class Item extends Link {
  readonly name: number

  constructor(name: number) {
    super()
    this.name = name
  }
}

const namesOf = (chain: Chain<Item>): number[] => [...chain].map(({ name }) => name)

describe('a chain', () => {
  it('keeps its members in the order of their coming, whoever leaves and comes again', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(5))), steps => {
        const chain = new Chain<Item>()
        const items = Array.from({ length: 6 }, (_, name) => new Item(name))
        const expected = new Set<number>()
        for (const [comes, name] of steps) {
          const item = items[name]!
          expect(chain.has(item)).toBe(expected.has(name))
          if (!comes) expect(chain.delete(item)).toBe(expected.delete(name))
          else if (!chain.has(item)) {
            chain.add(item)
            expected.add(name)
          }
          expect([namesOf(chain), chain.size, chain.first?.name]).toEqual([
            [...expected],
            expected.size,
            [...expected][0],
          ])
        }
      }),
    )
  })

  it('holds nothing by what has left it', () => {
    const chain = new Chain<Item>()
    const [first, second] = [new Item(1), new Item(2)]
    chain.add(first)
    chain.add(second)
    chain.delete(first)
    expect([first.before, first.after, second.before, second.after]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('can lose its members while it is walked', () => {
    const chain = new Chain<Item>()
    for (let name = 0; name < 4; name++) chain.add(new Item(name))
    const seen: number[] = []
    for (const item of chain) {
      seen.push(item.name)
      chain.delete(item)
    }
    expect([seen, chain.size]).toEqual([[0, 1, 2, 3], 0])
  })
})
