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
import { compare, inspect, type Sample } from './quiet-point.ts'
import { Random } from './random.ts'
import { Trouble } from './trouble.ts'

/** How long all transports together take; the long run has 600. */
const seconds = Number(process.env.FAIRYPOOL_SOAK_SECONDS ?? 30)
const seed = Number(process.env.FAIRYPOOL_SOAK_SEED ?? Date.now() % 1_000_000)
const transports = process.env.FAIRYPOOL_SOAK_TRANSPORT?.split(',') ?? ['direct', 'remote']

const own = OwnServer.forThisFile()

/** The first stretch is a warm-up: what it opens and loads stays. */
const stretches = [0.2, 0.4, 0.4]

it.each(transports)(
  `random work of 8 threads over 4 connections, ${seconds / transports.length} s, transport %s, leaves nothing wrong and nothing behind`,
  async transport => {
    const what = `Soak ${transport}, FAIRYPOOL_SOAK_SEED=${seed}`
    poolWarnings()
    await openBooks(own.view)
    const losses: string[] = []
    const logger = {
      debug() {},
      info() {},
      warn() {},
      error: (message: string, error?: unknown) => void losses.push(`${message} ${error}`),
    }
    const pool = openPool<Client>({
      dialect: pg(own.config('a Unix socket')),
      poolSize: 4,
      maxOverflow: 0,
      timeoutMs: 2000,
      resetTimeoutMs: 1000,
      closeTimeoutMs: 300,
      collectOnStarvation: true,
      logger,
      ...(transport === 'remote' ? { transport } : {}),
    })
    const tally = newTally()
    const alarm = new Alarm(what, () => pool.status())
    const crew = new Crew({ seed, tasks: 4, tally, alarm })
    const mine = new Player({ pool, number: 0, seed, tally, tasks: 2, onFault: alarm.ring })
    const trouble = new Trouble({ pool, crew, alarm, view: own.view, tally, random: new Random(seed) })
    onTestFinished(async () => {
      await trouble.end()
      await crew.end()
      await mine.rest()
    })

    const stretch = async (ms: number): Promise<Sample> => {
      await crew.play()
      mine.play()
      trouble.begin()
      await delay(ms)
      await trouble.end()
      const [heaps] = await Promise.all([crew.rest(), mine.rest()])
      return inspect(pool, own.view, heaps)
    }
    const samples: Sample[] = []
    for (const share of stretches) {
      samples.push(await alarm.watch(stretch((share * seconds * 1000) / transports.length)))
    }
    const [warm, ...later] = samples
    console.log(
      `${what}: ${tally}; ${crew.deaths} threads killed, ${trouble.strikes} sessions ended, ${trouble.invalidations} invalidations, ` +
        `${pool.status().collections} collections, ${pool.status().reclaimed} reclaimed; at most: ${JSON.stringify(trouble.peaks)}; ` +
        `samples: ${JSON.stringify(samples)}`,
    )
    if (process.env.FAIRYPOOL_SOAK_LOG) console.log([...new Set(losses)].join('\n'))
    for (const sample of later) compare(sample, warm!)
    const { committed, ...wrong } = await audit(own.view)
    expect(wrong, what).toEqual({ torn: 0, ghosts: 0, unbalanced: 0 })
    expect(committed, what).toBeGreaterThanOrEqual(tally.count('commits'))
  },
  seconds * 1000 + 120_000,
)
