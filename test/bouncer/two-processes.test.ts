import { expect, it } from 'vitest'
import { OwnServer } from '../support/own-server.ts'
import { runFile } from '../support/run-file.ts'
import { Bouncers, isInstalled, serverConnections } from './bounced.ts'

const own = OwnServer.forThisFile()
const bouncers = Bouncers.forThisFile(own)
const rounds = 40

it.skipIf(!isInstalled)(
  'two processes with a pool each share one PgBouncer: nothing is lost or mixed up, and the server has few connections',
  async () => {
    await own.view.query('create table counter (n int); insert into counter values (0)')
    const run = (): ReturnType<typeof runFile> =>
      runFile('bouncer-process', [JSON.stringify([bouncers.at('transaction').config, rounds])])
    let most = 0
    let isOver = false
    const ended = Promise.all([run(), run()]).finally(() => {
      isOver = true
    })
    while (!isOver) most = Math.max(most, (await own.view.pids()).length)
    for (const { code, output, errors } of await ended) {
      expect({ code, output, errors }).toEqual({ code: 0, output: '[0,0,0]\n', errors: '' })
    }
    expect(await own.view.query('select n from counter')).toEqual([{ n: 2 * 3 * rounds }])
    // 8 connections to PgBouncer, in all.
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(serverConnections)
  },
)
