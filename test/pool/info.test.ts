import { describe, expect, it } from 'vitest'
import type { ConnectionRecord } from '../../src/pool/record.ts'
import type { GatedConnection } from '../support/gated-driver.ts'
import { gatedPool, take } from '../support/gated-pool.ts'

describe('info', () => {
  it('belongs to the connection and is one for fairy and record; recordInfo to the place (235)', async () => {
    const { pool } = gatedPool()
    const records: ConnectionRecord<GatedConnection>[] = []
    pool.on('checkout', (_connection, record) => records.push(record))
    const fairy = await pool.connect()
    expect(fairy.info).toBe(records[0]!.info)
    expect(fairy.recordInfo).toBe(records[0]!.recordInfo)
    expect(fairy.info).not.toBe(fairy.recordInfo)
  })

  it('survives return and checkout (236)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    fairy.info!.set('colour', 'red')
    await fairy.close()
    expect((await pool.connect()).info!.get('colour')).toBe('red')
  })

  it('is emptied when the place is reopened, not before: the last listeners of the old connection still see it (236)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    fairy.info!.set('colour', 'red')
    pool.on('invalidate', (_c, record) => driver.note(`invalidate: ${record.info.get('colour')}`))
    pool.on('close', (_c, record) => driver.note(`close: ${record.info.get('colour')}`))
    pool.on('checkin', (_c, record) => driver.note(`checkin: ${record.info.get('colour')}`))
    pool.on('connect', (_c, record) => driver.note(`connect: ${record.info.get('colour')}`))
    driver.take()
    await fairy.invalidate()
    await pool.connect()
    expect(driver.take()).toEqual([
      'invalidate: red',
      'close: red',
      'close 1',
      'checkin: red',
      'open 2',
      'connect: undefined',
    ])
  })

  it('of a closed fairy is gone: it never shows what belongs to the next holder (132, 237, 240)', async () => {
    const { pool } = gatedPool({ poolSize: 1 })
    const [closed] = await take(pool, 1)
    await closed!.close()
    const next = await pool.connect()
    next.info!.set('secret', 1)
    next.recordInfo!.set('secret', 1)
    expect([closed!.info, closed!.recordInfo]).toEqual([undefined, undefined])
    await next.invalidate()
    expect([next.info, next.recordInfo]).toEqual([undefined, undefined])
  })
})

describe('recordInfo', () => {
  it('survives invalidation, soft invalidation and detach: it stays with the place (239)', async () => {
    const { pool } = gatedPool({ poolSize: 1 })
    const first = await pool.connect()
    first.recordInfo!.set('place', 7)
    await first.invalidate()
    const second = await pool.connect()
    await second.invalidate(undefined, { soft: true })
    await second.close()
    const third = await pool.connect()
    await third.detach()
    const fourth = await pool.connect()
    expect([fourth.number, fourth.recordInfo!.get('place')]).toEqual([4, 7])
  })

  it('is lost with the place: beyond the size, and by dispose (239)', async () => {
    const { pool } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    const [a, b] = await take(pool, 2)
    a!.recordInfo!.set('place', 'a')
    b!.recordInfo!.set('place', 'b')
    await a!.close()
    await b!.close()
    const [again, beyond] = await take(pool, 2)
    expect([again!.recordInfo!.get('place'), beyond!.recordInfo!.get('place')]).toEqual(['a', undefined])
    await again!.close()
    await beyond!.close()
    await pool.dispose()
    expect((await pool.connect()).recordInfo!.get('place')).toBeUndefined()
  })
})
