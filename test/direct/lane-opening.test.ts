import { readdirSync, readlinkSync } from 'node:fs'
import type { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Descriptors, descriptors } from '../../src/base/descriptors.ts'
import { kind } from '../../src/protocol/messages.ts'
import { eventually } from '../support/eventually.ts'
import { OwnServer, oneRoad, pidOf } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const own = OwnServer.forThisFile()

/** How many sockets this process has open, where the system says so. */
const sockets = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/fd').filter(isSocket).length : 0)

function isSocket(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:')
  } catch {
    // The one by which the folder was read.
    return false
  }
}

describe.each(oneRoad)('a thread that is about to run the driver itself, over %s,', road => {
  it.each(['has asked for it', 'has its descriptor'] as const)(
    'and dies when it %s, leaves nothing behind: the next in the line is served',
    async stage => {
      const pool = own.pool(road)
      const first = await pidOf(pool)
      const before = sockets()
      const doomed = startWorker()
      const halted = doomed.hear()
      doomed.runToDeath(
        async ({ attach, require, say }, stage, handover) => {
          const halt = (): never => {
            say('halted')
            for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
          }
          const pool = await attach()
          if (stage === 'has its descriptor') (require('pg') as typeof import('pg')).Client.prototype.connect = halt
          const { postMessage } = MessagePort.prototype
          MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
            Reflect.apply(postMessage, this, args)
            const isAsking = Array.isArray(args[0]) && args[0].some(([kind]) => kind === handover)
            if (isAsking && stage === 'has asked for it') halt()
          }
          await pool.connect()
        },
        stage,
        kind.handover,
      )
      await halted
      const other = startWorker()
      const waiting = other.run(async ({ attach }) => {
        const pool = await attach<Client>()
        return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid as number
      })
      await doomed.terminate()
      const next = await waiting
      expect(next).not.toBe(first)
      await eventually(() => own.view.pids()).toEqual([next])
      await eventually(() => pool.status()).toMatchObject({ checkedin: 1, checkedout: 0, waiting: 0 })
      await other.terminate()
      await eventually(sockets).toBe(before)
    },
  )

  it('and has no descriptors left asks the coordinator to run it; others are none the worse', async () => {
    const pool = own.pool(road)
    const native = descriptors() as Descriptors
    const { dup } = native
    native.dup = () => -1
    onTestFinished(() => void Object.assign(native, { dup }))
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      const pids: unknown[] = []
      for (let round = 0; round < 3; round++) {
        const conn = await pool.connect()
        pids.push((await conn.query('select pg_backend_pid() as pid')).rows[0].pid, conn.connection)
        await conn.query('begin')
        await conn.close()
      }
      return pids
    })
    const pid = seen[0] as number
    expect(seen).toEqual([pid, undefined, pid, undefined, pid, undefined])
    Object.assign(native, { dup })
    const other = await startWorker().run(async ({ attach }) => {
      const conn = await (await attach<Client>()).connect()
      const { rows } = await conn.query('select pg_backend_pid() as pid')
      const isDirect = conn.connection !== undefined
      await conn.close()
      return { isDirect, pid: rows[0].pid as number }
    })
    expect(other).toEqual({ isDirect: true, pid })
    expect(await pidOf(pool)).toBe(pid)
  })

  it('and meets a connection that is invalidated meanwhile gets another', async () => {
    const pool = own.pool(road)
    const worker = startWorker()
    const first = await pidOf(pool)
    const halted = worker.hear()
    const flag = new Int32Array(new SharedArrayBuffer(4))
    const asked = worker.run(
      async ({ attach, say }, handover, flag) => {
        const pool = await attach<Client>()
        const { postMessage } = MessagePort.prototype
        MessagePort.prototype.postMessage = function (...args: [unknown, never]) {
          Reflect.apply(postMessage, this, args)
          if (!Array.isArray(args[0]) || !args[0].some(([kind]) => kind === handover)) return
          MessagePort.prototype.postMessage = postMessage
          say('halted')
          // The answer is on its way; what it says is out of date when it is read.
          Atomics.wait(flag, 0, 0)
        }
        return (await pool.use(conn => conn.query('select pg_backend_pid() as pid'))).rows[0].pid as number
      },
      kind.handover,
      flag,
    )
    await halted
    await own.view.terminate(first)
    await pool.dispose()
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    expect(await asked).not.toBe(first)
  })
})
