import { describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import type { LegacyListener } from '../../src/pool/legacy-listeners.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { gatedPool } from '../support/gated-pool.ts'
import { countsOf, watchWarnings } from '../support/observe.ts'
import { places } from '../support/places.ts'

describe.each(places)('the events of a pool, $where', place => {
  it('reach listener objects of old: connect, firstConnect, checkout, checkin, with the same counts (19, 270)', async () => {
    class Legacy {
      readonly log: string[] = []
      connect(connection: GatedConnection): void {
        this.log.push(`connect ${connection.number}`)
      }
      firstConnect(connection: GatedConnection): void {
        this.log.push(`firstConnect ${connection.number}`)
      }
      checkout(connection: GatedConnection, record: unknown, fairy: object): void {
        this.log.push(`checkout ${connection.number} ${typeof record} ${typeof fairy}`)
      }
      checkin(connection: GatedConnection | undefined): void {
        this.log.push(`checkin ${connection?.number}`)
      }
    }
    watchWarnings()
    const [whole, some] = [new Legacy(), [] as string[]]
    const part: LegacyListener<GatedConnection> = { checkin: () => void some.push('checkin') }
    const { pool, user } = await place.visit({ listeners: [whole, part] })
    await (await user.connect()).close()
    await (await user.connect()).invalidate()
    const checkouts = ['checkout 1 object object', 'checkin 1', 'checkout 1 object object', 'checkin undefined']
    expect([whole.log, some]).toEqual([
      ['firstConnect 1', 'connect 1', ...checkouts],
      ['checkin', 'checkin'],
    ])
    whole.log.length = 0
    const other = await place.userOf(pool.recreate())
    await (await other.connect()).invalidate()
    expect(whole.log).toEqual(['firstConnect 2', 'connect 2', 'checkout 2 object object', 'checkin undefined'])
  })
})

describe('legacy listeners', () => {
  it('are deprecated, and that is said only where they are used (19)', async () => {
    const codes = watchWarnings()
    const { pool } = gatedPool()
    pool.on('connect', () => {})
    gatedPool({ listeners: [] }).pool.recreate()
    expect(codes).toEqual([])
    pool.addListener({ connect() {} })
    expect(codes).toEqual(['FAIRYPOOL_DEPRECATED'])
    const { pool: given } = gatedPool({ listeners: [{}] })
    expect(codes.length).toBe(2)
    given.recreate().recreate()
    expect(codes.length).toBe(2)
  })

  it('can be added later, run after those before, count once, and can veto like any other (19, 262, 270)', async () => {
    watchWarnings()
    const { pool, driver } = gatedPool()
    pool.on('checkout', () => driver.note('before'))
    const refusing = {
      checkout: (): void => {
        driver.note('legacy')
        throw new Error('no')
      },
    }
    expect(pool.addListener(refusing).addListener(refusing)).toBe(pool)
    await expect(pool.connect()).rejects.toThrow('no')
    expect([driver.take(), countsOf(pool)]).toEqual([
      ['open 1', 'before', 'legacy', 'close 1'],
      [5, 1, -4, 0],
    ])
  })

  it.each([[undefined], [null], ['connect'], [() => {}]])(
    'are objects: %j is refused, and nothing is warned of (19)',
    bad => {
      const codes = watchWarnings()
      expect(() => gatedPool().pool.addListener(bad as never)).toThrow(ArgumentError)
      expect(() => gatedPool({ listeners: [bad as never] })).toThrow(ArgumentError)
      expect(codes).toEqual([])
    },
  )
})
