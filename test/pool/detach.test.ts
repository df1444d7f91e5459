import { describe, expect, it } from 'vitest'
import { gatedPool, take } from '../support/gated-pool.ts'
import { collectUntil, countsOf, failureOf, watchWarnings } from '../support/observe.ts'

describe('a connection that is detached', () => {
  it('leaves the pool without reset, callbacks or checkin; the event comes last, with its record (222, 267)', async () => {
    const { pool, driver } = gatedPool()
    driver.listen(pool)
    pool.on('connect', (connection, record) =>
      record.finalizeCallback(() => driver.note(`callback ${connection.number}`)),
    )
    const fairy = await pool.connect()
    driver.take()
    await fairy.detach()
    expect(driver.take()).toEqual(['on detach 1'])
  })

  it('frees its place at once: another can be opened, and who waits is served (223)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    const waiting = pool.connect()
    await fairy.detach()
    expect([(await waiting).number, driver.open, countsOf(pool)]).toEqual([2, 2, [1, 0, 0, 1]])
  })

  it('beyond the size gives its place up, with no close event: there is nothing to close (224)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 1 })
    const [a, b] = await take(pool, 2)
    await a!.close()
    driver.listen(pool, 'close')
    driver.take()
    await b!.detach()
    expect(driver.take()).toEqual([])
    expect(countsOf(pool)).toEqual([1, 1, 0, 0])
  })

  it('works on, with info of its own and no facts of a place (225)', async () => {
    const { pool } = gatedPool({ poolSize: 1 })
    const fairy = await pool.connect()
    fairy.info!.set('colour', 'red')
    fairy.recordInfo!.set('place', 7)
    await fairy.detach()
    expect([fairy.isValid, fairy.recordInfo, (await fairy.query('x')).number]).toEqual([true, undefined, 1])
    const next = await pool.connect()
    expect([next.info!.get('colour'), next.recordInfo!.get('place')]).toEqual([undefined, 7])
    next.info!.set('colour', 'blue')
    expect(fairy.info!.get('colour')).toBe('red')
  })

  it('is reset and closed for good by close(): reset, rollback, closeDetached, driver close, once (226, 227, 267)', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    await fairy.detach()
    driver.listen(pool)
    driver.take()
    await fairy.close()
    expect(driver.take()).toEqual(['on reset 1', 'rollback 1', 'on closeDetached 1', 'close 1'])
    expect([fairy.isValid, fairy.connection]).toEqual([false, undefined])
    await fairy.close()
    expect(driver.take()).toEqual([])
  })

  it('shows the reset listener a whole fairy, with its info, and no record (176, 190)', async () => {
    const { pool } = gatedPool()
    const fairy = await pool.connect()
    fairy.info!.set('colour', 'red')
    await fairy.detach()
    const seen: unknown[] = []
    pool.once('reset', (each, record) => void seen.push(each.isValid, each.number, each.info!.get('colour'), record))
    await fairy.close()
    expect(seen).toEqual([true, 1, 'red', undefined])
  })

  it('is closed even if the reset fails, or a closeDetached listener, or both: that is only logged (188, 292)', async () => {
    const { pool, driver, logger } = gatedPool()
    const fairy = await pool.connect()
    await fairy.detach()
    pool.on('closeDetached', () => Promise.reject(new Error('listener')))
    driver.next('rollback', 'fails')
    await fairy.close()
    expect(driver.open).toBe(0)
    expect(logger.errors.map(error => (error as Error).message)).toEqual(['rollback 1 fails', 'listener'])
  })

  it('can be detached once; a closed or invalidated one not at all: nothing happens, no event (227)', async () => {
    const { pool, driver } = gatedPool()
    const [a, b, c] = await take(pool, 3)
    driver.listen(pool, 'detach')
    await a!.detach()
    await b!.close()
    await c!.invalidate()
    driver.take()
    for (const fairy of [a!, b!, c!]) await fairy.detach()
    expect(driver.take()).toEqual([])
  })

  it('is closed by a hard invalidation, with closeDetached and no reset; a soft one changes nothing (229)', async () => {
    const warnings = watchWarnings()
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    await fairy.detach()
    driver.listen(pool)
    driver.take()
    await fairy.invalidate(undefined, { soft: true })
    expect([driver.take(), fairy.isValid]).toEqual([[], true])
    await fairy.invalidate(new Error('broken'))
    expect([driver.take(), fairy.isValid]).toEqual([['on closeDetached 1', 'close 1'], false])
    await fairy.close()
    expect([driver.take(), warnings]).toEqual([[], []])
  })

  it('and then lost is closed, for nobody else would (231)', async () => {
    const { pool, driver } = gatedPool()
    const lose = async (): Promise<void> => (await pool.connect()).detach()
    await lose()
    await collectUntil(() => driver.open === 0)
    expect(driver.connections[0]!.state).toBe('closed')
    expect(driver.take()).toEqual(['open 1', 'rollback 1', 'close 1'])
  })

  it('takes no callbacks of its own to the next connection in its place (232, 233)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1 })
    const called: number[] = []
    pool.once('connect', (_connection, record) => record.finalizeCallback(connection => called.push(connection.number)))
    await (await pool.connect()).detach()
    const next = await pool.connect()
    expect(next.number).toBe(2)
    await next.close()
    expect([called, driver.opened]).toEqual([[], 2])
  })

  it('is detached and can be closed even if a listener fails; its error goes to the caller (234, 293)', async () => {
    const { pool, driver } = gatedPool({ poolSize: 1, maxOverflow: 0 })
    const fairy = await pool.connect()
    pool.once('detach', () => Promise.reject(new Error('listener')))
    expect(await failureOf(fairy.detach())).toMatchObject({ message: 'listener' })
    expect([fairy.isValid, countsOf(pool)]).toEqual([true, [1, 1, 0, 0]])
    await fairy.close()
    expect(driver.open).toBe(0)
  })

  it('outlives the disposal of its pool', async () => {
    const { pool, driver } = gatedPool()
    const fairy = await pool.connect()
    await fairy.detach()
    await pool.dispose()
    expect((await fairy.query('x')).number).toBe(1)
    await fairy.close()
    expect(driver.open).toBe(0)
  })
})
