import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import { openPool } from '../support/open-pool.ts'
import { OwnServer } from '../support/own-server.ts'
import { poolWarnings } from '../support/pool-warnings.ts'
import { Alarm } from './alarm.ts'
import { audit, openBooks } from './books.ts'
import { Crew } from './crew.ts'
import { newTally, Player } from './player.ts'
import { inspect, type Sample, sample } from './quiet-point.ts'
import { Random } from './random.ts'
import { Trouble } from './trouble.ts'

/** How long all transports together take; the long run has 600. */
const seconds = Number(process.env.FAIRYPOOL_SOAK_SECONDS ?? 30)
const seed = Number(process.env.FAIRYPOOL_SOAK_SEED ?? Date.now() % 1_000_000)
const transports = process.env.FAIRYPOOL_SOAK_TRANSPORT?.split(',') ?? ['direct', 'remote']

const silent = { debug() {}, info() {}, warn() {}, error() {} }

const own = OwnServer.forThisFile()

/** The share of the warm-up: what it opens and loads stays. */
const warmUp = 0.2
/** The rest has so many quiet points, the last one at its end. */
const parts = 2

it.each(transports)(
  `random work of 8 threads over 4 connections, ${seconds / transports.length} s, transport %s, leaves nothing wrong and nothing behind`,
  async transport => {
    const what = `Soak ${transport}, FAIRYPOOL_SOAK_SEED=${seed}`
    poolWarnings()
    await openBooks(own.view)
    const pool = openPool<Client>({
      dialect: pg(own.config('a Unix socket')),
      poolSize: 4,
      maxOverflow: 0,
      timeoutMs: 2000,
      resetTimeoutMs: 1000,
      closeTimeoutMs: 300,
      collectOnStarvation: true,
      logger: silent,
      ...(transport === 'remote' ? { transport } : {}),
    })
    const tally = newTally()
    const alarm = new Alarm(what, () => pool.status())
    const crew = new Crew({ seed, tasks: 4, tally, alarm })
    const mine = new Player({ pool, number: 0, seed, tally, tasks: 2, onFault: alarm.ring })
    const lasting = (share: number): number => (share * seconds * 1000) / transports.length
    const restartMs = Math.min(60_000, lasting(0.4))
    const trouble = new Trouble({ pool, crew, alarm, own, tally, random: new Random(seed), restartMs })
    onTestFinished(async () => {
      await trouble.end()
      await crew.end()
      await mine.rest()
    })

    const stretch = async (ms: number, earlier?: Sample): Promise<Sample> => {
      await crew.play()
      mine.play()
      trouble.begin()
      await delay(ms)
      await trouble.end()
      const [heaps] = await Promise.all([crew.rest(), mine.rest()])
      await inspect(pool, own.view)
      return sample(heaps, earlier)
    }
    const first = await alarm.watch(stretch(lasting(warmUp)))
    let last = first
    for (let part = 1; part <= parts; part++) last = await alarm.watch(stretch(lasting((1 - warmUp) / parts), first))
    console.log(
      `${what}: ${tally}; ${trouble}, ${crew.deaths} threads killed, the pool: ${pool.status()}; ` +
        `after the warm-up ${JSON.stringify(first)}, in the end ${JSON.stringify(last)}`,
    )
    const { committed, ...wrong } = await audit(own.view)
    expect(wrong, what).toEqual({ torn: 0, ghosts: 0, unbalanced: 0 })
    expect(committed, what).toBeGreaterThanOrEqual(tally.count('commits'))
  },
  seconds * 1000 + 120_000,
)
