import type { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { kind } from '../../src/protocol/messages.ts'
import type { WireRows } from '../../src/protocol/row-coder.ts'
import { noCrashes } from '../support/crashes.ts'
import { openPool } from '../support/open-pool.ts'
import { OwnServer, pidOf } from '../support/own-server.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { startWorker } from '../support/start-worker.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

type Intruder = import('../support/intruder.ts').Intruder

const silent = { debug() {}, info() {}, warn() {}, error() {} }

it('no name leads out of a connection, a handle, or a function that has stayed', async () => {
  noCrashes()
  const { creator, made } = toyCreator()
  openPool<ToyConnection>({ creator, poolSize: 1, maxOverflow: 0, logger: silent })
  const seen = await startWorker().run(async ({ load }, kind) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const intruder: Intruder = await Intruder.enter()
    const lease = await intruder.lease()
    const handle = async (method: string, ...args: readonly unknown[]): Promise<unknown> => {
      const [what, target] = await intruder.ask(kind.call, lease, 0, method, args)
      return what === 'handle' ? target : what
    }
    const targets = [0, await handle('prepare', 'x'), await handle('callback'), await handle('rows', 1)]
    const inherited = [Object.prototype, Function.prototype].flatMap(prototype => Object.getOwnPropertyNames(prototype))
    const names = [
      ...inherited,
      ...[
        'end',
        'destroy',
        'close',
        'release',
        'prototype',
        '_secret',
        '__proto__',
        '',
        '#held',
        'number',
        'log',
        'state',
      ],
      ...['x'.repeat(1_000_000), 7, null, undefined, ['whoami'], { toString: null, valueOf: null }, new Date(), -0, 7n],
    ]
    const outcomes = new Set<string>()
    for (const target of targets) {
      for (const name of names) outcomes.add(await intruder.outcome(kind.call, lease, target, name, []))
    }
    // A handle that is no cursor can not be read, nor closed, as one.
    for (const target of targets.slice(1)) {
      for (const what of ['read', 'close']) outcomes.add(await intruder.outcome(kind.read, lease, target, what))
    }
    const [, refusal] = await intruder.ask(kind.call, lease, 0, 'x'.repeat(1_000_000), [])
    const { length } = (refusal as { readonly message: string }).message
    return { targets, outcomes: [...outcomes].sort(), isShort: length < 1000 }
  }, kind)
  expect(seen.targets).toEqual([0, 1, 2, 3])
  expect(seen).toMatchObject({ outcomes: ['InvalidRequestError', 'MethodNotAllowedError'], isShort: true })
  expect(made[0]!.log).toEqual([])
  expect(made[0]!.state).toBe('open')
})

it('what a dialect lists is all there is; and what it says of the arguments holds', async () => {
  noCrashes()
  const { creator } = toyCreator()
  const dialect = {
    name: 'strict',
    rollback() {},
    commit() {},
    close() {},
    methods: ['echo', 'constructor', '_secret', 'hasOwnProperty'],
    admit: (_method: string, args: readonly unknown[]) => (args.length > 1 ? [] : args),
  }
  openPool<ToyConnection>({ creator, dialect, poolSize: 1, maxOverflow: 0 })
  const seen = await startWorker().run(async ({ load }, kind) => {
    const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
    const intruder: Intruder = await Intruder.enter()
    const lease = await intruder.lease()
    const outcomes: unknown[] = []
    for (const name of ['whoami', 'constructor', '_secret', 'hasOwnProperty', 'query'])
      outcomes.push(await intruder.outcome(kind.call, lease, 0, name, []))
    outcomes.push(await intruder.outcome(kind.query, 'select 1', undefined, undefined, 0))
    const echoes = [
      await intruder.ask(kind.call, lease, 0, 'echo', ['mine']),
      await intruder.ask(kind.call, lease, 0, 'echo', ['mine', 2]),
    ]
    return { outcomes, echoes }
  }, kind)
  expect(seen.outcomes).toEqual(Array(6).fill('MethodNotAllowedError'))
  expect(seen.echoes).toEqual([
    ['answer', 'mine', undefined],
    ['answer', undefined, undefined],
  ])
})

/** As a result of rows travels. */
const valuesOf = (reply: unknown): readonly unknown[] => (reply as WireRows)[2]

describe('with pg', () => {
  const own = OwnServer.forThisFile()

  it('no argument goes off in the middle of the driver, on a connection that is busy or not; and the connection is still good', async () => {
    noCrashes()
    const pool = own.pool('a Unix socket', { transport: 'remote' })
    const pid = await pidOf(pool)
    const seen = await startWorker().run(async ({ load }, kind) => {
      const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
      const intruder: Intruder = await Intruder.enter()
      const lease = await intruder.lease()
      const text = 'select 1 as one'
      const ring: unknown[] = []
      ring.push(ring)
      let bomb: unknown = 'x'.repeat(1000)
      for (let i = 0; i < 20; i++) bomb = Array(10).fill(bomb)
      let tower: unknown = 1
      for (let i = 0; i < 900; i++) tower = [tower]
      const sparse = new Array(2 ** 32 - 1)
      const shared = new Uint8Array(new SharedArrayBuffer(8, { maxByteLength: 64 } as never))
      const refused: readonly (readonly unknown[])[] = [
        ...[
          7,
          null,
          undefined,
          [],
          ['select 1'],
          {},
          { text: 7 },
          { text: [text] },
          { name: 7, text },
          { name: {} },
        ].map(q => [q]),
        ...[
          { text, types: {} },
          { text, types: { getTypeParser: 1 } },
          { text, values: 'x' },
        ].map(q => [q]),
        ...[
          { text, rowMode: {} },
          { text, rows: 'all' },
          { text, rows: -1 },
          { text, queryMode: 7 },
          { text, binary: 'yes' },
        ].map(q => [q]),
        ...[
          { text: 'select \0 1' },
          { text, name: 'a\0select 2\0' },
          'select 1\0',
          { text, query_timeout: 'soon' },
        ].map(q => [q]),
        ...[7, 'x', {}, { length: 1 }].map(values => [text, values]),
        [text, [1], 7],
        ...[[ring], [bomb], sparse, [sparse], [{ deep: [sparse] }], [shared], [{ shared }]].map(values => [
          'select $1::text as one',
          values,
        ]),
        ...[
          { text, values: [ring] },
          { text, values: sparse },
        ].map(q => [q]),
      ]
      // These are the driver's or the server's to refuse, or no fault at all.
      const answered: readonly (readonly unknown[])[] = [
        [''],
        [text, []],
        [text, null],
        [{ text, name: 'named', rowMode: 'array' }],
        [{ text, portal: 7, submit: 7, callback: 7, constructor: 7, ['__proto__']: { text: 7 } }],
        ['select $1::text as one', [tower]],
        ['select $1::text as one', [{ toPostgres: 7, toJSON: 7, toString: null }]],
        ['select $1::text as one', [new Date(Number.NaN)]],
        ['select $1::text as one', [new Float64Array(3), new DataView(new ArrayBuffer(3))]],
        ['select $1::text as one', [new Map(), new Set(), /x/, new Error('x'), 7n, -0, Number.NaN, 2 ** 53]],
        ['select $1::text as one', [{ big: 7n }]],
        [{ name: 'nobody' }],
        [{ text, query_timeout: 2_000_000_000 }],
        ['select $1::text as one', []],
        ['select $1::text as one', Array(65_536).fill('x')],
        ['select x', [Object.assign(['x'], { map: 7, length: 3 })]],
      ]
      const settle = async (args: readonly unknown[], busy: 'busy' | 'idle'): Promise<string> => {
        const slow =
          busy === 'busy' ? intruder.ask(kind.call, lease, 0, 'query', ['select pg_sleep(0.005)']) : undefined
        const outcome = await intruder.outcome(kind.call, lease, 0, 'query', args)
        await slow
        return outcome
      }
      const wrong: unknown[] = []
      const others = new Set<string>()
      for (const busy of ['idle', 'busy'] as const) {
        for (const args of refused) {
          const outcome = await settle(args, busy)
          if (outcome !== 'ArgumentError') wrong.push([outcome, Object(args[0]), Object(args[1])?.length])
        }
        for (const args of answered) others.add(await settle(args, busy))
      }
      // The same by a cursor, and by a statement of its own.
      for (const args of refused) {
        if (typeof args[0] === 'object') continue
        const outcome = await intruder.outcome(kind.cursor, lease, args.length > 1 ? args : [...args, undefined])
        if (outcome !== 'ArgumentError' && args[2] === undefined) wrong.push(['cursor', outcome, args.length])
        if (args.length > 2) continue
        const stated = await intruder.outcome(kind.query, args[0], args[1], undefined, undefined)
        if (stated !== 'ArgumentError') wrong.push(['query', stated, args[0], Object(args[1])?.length])
      }
      for (const options of [{ batchSize: 2 ** 53 }, { batchSize: 0 }, { nope: 1 }, 7, null])
        others.add(await intruder.outcome(kind.cursor, lease, [text, [], options]))
      const still = await intruder.ask(kind.call, lease, 0, 'query', ['select 42 as n, pg_backend_pid() as pid'])
      return { wrong, others: [...others].sort(), still: still[1] }
    }, kind)
    expect(seen.wrong).toEqual([])
    for (const outcome of seen.others) expect(outcome).toMatch(/^(answer|rows|handle|\w*Error)$/)
    expect(valuesOf(seen.still)).toEqual(['SELECT', 1, null, 42, pid])
  }, 120_000)

  it('a Buffer is made of bytes only, and a thread keeps what others have sent before to itself', async () => {
    noCrashes()
    own.pool('a Unix socket', { transport: 'remote' })
    const honest = startWorker()
    await honest.run(async ({ attach }) =>
      (await attach<Client>()).use(conn =>
        conn.query('select $1::text as secret', ['the secret of somebody else'.repeat(50)]),
      ),
    )
    const outcomes = await startWorker().run(async ({ load }, kind) => {
      const { Intruder } = (await load('../support/intruder.js')) as typeof import('../support/intruder.js')
      const intruder: Intruder = await Intruder.enter()
      const lease = await intruder.lease()
      const text = 'select $1::bytea as bytes'
      const fakes = [
        { length: 1000, byteLength: 1000 },
        new Float64Array(9),
        new DataView(new ArrayBuffer(9)),
        [1, 2],
        new Date(),
      ]
      const outcomes: string[] = []
      for (const fake of fakes) {
        outcomes.push(await intruder.outcome(kind.call, lease, 0, 'query', [text, [fake]], [fake]))
        outcomes.push(await intruder.outcome(kind.query, text, [fake], [fake], undefined))
      }
      const bytes = new Uint8Array([1, 2, 3])
      const good = await intruder.ask(kind.call, lease, 0, 'query', [text, [bytes]], [bytes])
      return { outcomes, good: good[1] }
    }, kind)
    expect(outcomes.outcomes).toEqual(Array(10).fill('ArgumentError'))
    expect(valuesOf(outcomes.good)).toEqual(['SELECT', 1, null, new Uint8Array([1, 2, 3])])
  })

  it('an honest thread can use what is refused to nobody: configurations, names, cursors', async () => {
    own.pool('a Unix socket', { transport: 'remote' })
    const seen = await startWorker().run(async ({ attach }) => {
      const pool = await attach<Client>()
      return pool.use(async conn => {
        const named = await conn.query({ name: 'n', text: 'select $1::int as n', values: [1], rowMode: 'array' })
        const rows: unknown[] = []
        for await (const row of (conn as unknown as RemoteToy).cursor!('select generate_series(1, $1) as n', [3], {
          batchSize: 2,
        }) as unknown as AsyncIterable<unknown>)
          rows.push(row)
        return { named: named.rows as unknown, rows }
      })
    })
    expect(seen).toEqual({ named: [[1]], rows: [{ n: 1 }, { n: 2 }, { n: 3 }] })
  })
})
