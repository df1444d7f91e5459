import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createPool } from '../../src/coordinator/create-pool.ts'
import { Session } from '../../src/coordinator/session.ts'
import type { Fairy } from '../../src/fairies/fairy.ts'
import type { QueuePool } from '../../src/pool/queue-pool.ts'
import type { Welcome } from '../../src/protocol/messages.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { PoolClient } from '../../src/worker/pool-client.ts'
import { Wire } from '../../src/worker/wire.ts'
import { FastToy } from '../support/fast-toy.ts'
import type { RemoteToy } from '../support/remote-toy.ts'
import { SlowPort } from '../support/slow-port.ts'

/*
 * The whole of checkout and return, coordinator and threads, in one thread and with ports that are as slow as the test wants:
 * whatever the interleaving of what they do and of what they hear, every caller is served, once, and all comes home.
 */

/** What happens, and how often. */
const happenings = {
  connect: 10,
  close: 10,
  hear: 4,
  tell: 4,
  'hear all': 6,
  call: 2,
  begin: 1,
  abort: 1,
  now: 1,
  invalidate: 1,
  soft: 1,
  'pool invalidate': 1,
  lose: 1,
  dispose: 1,
  listen: 1,
  reset: 1,
  callback: 1,
  die: 1,
} as const

type What = keyof typeof happenings

const what = fc.oneof(
  ...Object.entries(happenings).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name as What) })),
)

const event = fc.record({ what, who: fc.constantFrom(0, 1, 1, 2, 2, 3), pick: fc.nat(20) })

interface Event {
  readonly what: What
  readonly who: number
  readonly pick: number
}

/** One who borrows: a thread's client, or the pool itself. */
class Party {
  readonly pool: { connect(options?: object): Promise<Fairy> }
  readonly ports: readonly [SlowPort, SlowPort] | undefined
  readonly open: RemoteToy[] = []
  readonly waiting: AbortController[] = []
  readonly failures: unknown[] = []
  session: Session | undefined
  lose: (() => void) | undefined

  constructor(pool: Party['pool'], ports?: readonly [SlowPort, SlowPort]) {
    this.pool = pool
    this.ports = ports
  }

  connect(timeoutMs: number | null): void {
    const controller = new AbortController()
    this.waiting.push(controller)
    const settle = (): void => void this.waiting.splice(this.waiting.indexOf(controller), 1)
    this.pool.connect({ signal: controller.signal, timeoutMs }).then(
      fairy => {
        settle()
        this.open.push(fairy as RemoteToy)
      },
      (error: unknown) => {
        settle()
        if (!controller.signal.aborted && timeoutMs !== 0) this.failures.push(error)
      },
    )
  }
}

class World {
  readonly made: FastToy[] = []
  readonly pool: QueuePool<FastToy>
  readonly parties: Party[]
  readonly #listener = (): void => {}

  constructor(poolSize: number, maxOverflow: number) {
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    this.pool = createPool<FastToy>({ dialect: this.#dialect(), poolSize, maxOverflow, timeoutMs: null, logger })
    const own = new Party(this.pool as unknown as Party['pool'])
    this.parties = [own, ...[1, 2, 3].map(session => this.#attach(session))]
  }

  async happen({ what, who, pick }: Event): Promise<void> {
    const party = this.parties[who]!
    const fairy = party.open[pick % party.open.length]
    const record = [...this.pool.records][pick % [...this.pool.records].length]
    if (what === 'connect') party.connect(null)
    if (what === 'now') party.connect(0)
    if (what === 'close' && fairy) this.#close(party, fairy)
    if (what === 'call' && fairy?.isValid) Promise.resolve(fairy.whoami!()).catch(() => {})
    if (what === 'begin' && fairy?.isValid) Promise.resolve(fairy.begin!()).catch(() => {})
    if (what === 'abort') party.waiting[pick % party.waiting.length]?.abort()
    if (what === 'hear') party.ports?.[1].deliver()
    if (what === 'hear all') await this.#hearAll()
    if (what === 'tell') party.ports?.[0].deliver()
    if (what === 'invalidate') await record?.invalidate()
    if (what === 'soft') await record?.invalidate(undefined, { soft: true })
    if (what === 'pool invalidate') await this.pool.invalidate()
    if (what === 'lose') this.made[pick % this.made.length]?.lose()
    if (what === 'dispose' && pick < 5) await this.pool.dispose()
    if (what === 'listen') this.pool[pick % 2 === 0 ? 'on' : 'off']('checkout', this.#listener)
    if (what === 'reset') this.pool[pick % 2 === 0 ? 'on' : 'off']('reset', this.#listener)
    if (what === 'die' && who > 0) await this.#die(who)
    if (what === 'callback') record?.finalizeCallback(() => {})
    // What is to be sent leaves.
    await turn()
    await turn()
    this.#check()
  }

  /** Everybody hears everything, and closes what he has; nobody begins anything. */
  async end(): Promise<void> {
    for (let rounds = 0, isNews = true; isNews; rounds++) {
      expect(rounds).toBeLessThan(500)
      isNews = await this.#hearAll()
      for (const party of this.parties) {
        for (const fairy of [...party.open]) {
          this.#close(party, fairy)
          isNews = true
        }
      }
      this.#check()
    }
    expect(this.parties.flatMap(({ failures }) => failures)).toEqual([])
    expect(this.parties.map(({ waiting }) => waiting.length)).toEqual([0, 0, 0, 0])
    const status = this.pool.status()
    expect(status).toMatchObject({ checkedout: 0, waiting: 0 })
    const open = this.made.filter(({ state }) => state === 'open').length
    expect(open).toBeLessThanOrEqual(status.checkedin)
    expect(status.checkedin).toBeLessThanOrEqual(this.pool.settings.poolSize)
    expect(this.made.filter(({ transaction, state }) => state === 'open' && transaction === 'open')).toEqual([])
  }

  /** All that is on its way arrives, and what follows from it; false if there was nothing. */
  async #hearAll(): Promise<boolean> {
    let isNews = false
    for (let quiet = 0; quiet < 3; quiet++) {
      for (const { ports = [] } of this.parties) {
        for (const port of ports) {
          while (port.deliver()) {
            isNews = true
            quiet = 0
          }
        }
      }
      await turn()
    }
    return isNews
  }

  /** No connection is two borrowers', and none is beyond what the pool may have. */
  #check(): void {
    const leases = this.parties.flatMap(({ open }) => open.filter(({ isValid }) => isValid).map(leaseOf))
    expect(new Set(leases).size).toBe(leases.length)
    const { poolSize, maxOverflow } = this.pool.settings
    expect(leases.length).toBeLessThanOrEqual(poolSize + maxOverflow)
    expect(this.made.filter(({ state }) => state === 'open').length).toBeLessThanOrEqual(poolSize + maxOverflow)
  }

  #close(party: Party, fairy: RemoteToy): void {
    party.open.splice(party.open.indexOf(fairy), 1)
    Promise.resolve(fairy.close()).catch(() => {})
  }

  /** A thread dies with all it has, and another one bears its number. */
  async #die(session: number): Promise<void> {
    const { ports, session: own } = this.parties[session]!
    ports![1].kill()
    // Nothing that is left of it here may act any more.
    this.parties[session]!.lose?.()
    await own!.over()
    expect(this.pool.slots.heldBy(session)).toBe(0)
    this.parties[session] = this.#attach(session)
  }

  #attach(session: number): Party {
    const ports = SlowPort.pair()
    const own = new Session(this.pool as never, { session, threadId: 100 + session }, ports[0].port)
    const welcome = ports[1].inbox.shift() as Welcome
    const wire = new Wire(ports[1].port, SlotTable.attach(welcome.buffer), welcome, () => {})
    const party = new Party(new PoolClient('slow', wire, () => Promise.reject()), ports)
    party.session = own
    party.lose = () => wire.lessee.lose(new Error('dead'))
    return party
  }

  #dialect() {
    const { made } = this
    return {
      name: 'slow',
      connect(): FastToy {
        const connection = new FastToy(made.length + 1)
        made.push(connection)
        return connection
      },
      rollback: (fairy: FastToy) => fairy.rollback(),
      commit: (fairy: FastToy) => fairy.commit(),
      close: (connection: FastToy) => connection.close(),
      inTransaction: (connection: FastToy) => connection.transaction === 'open',
      watch(connection: FastToy, lost: () => void) {
        connection.lose = lost
      },
    }
  }
}

/** The slot of a fairy that is out: it says its lease when it is printed. */
const leaseOf = (fairy: RemoteToy): number => Math.floor(Number(/lease: (\d+)/.exec(printed(fairy))![1]) / 2 ** 31)
const inspected = Symbol.for('nodejs.util.inspect.custom')
const printed = (fairy: RemoteToy): string => (fairy as never as Record<symbol, () => string>)[inspected]!()

const runs = Number(process.env.FAIRYPOOL_INTERLEAVINGS ?? 400)

it.each([
  [1, 0],
  [2, 0],
  [1, 2],
])(
  'every caller is served and everything comes home, with %i connections and %i more, in whatever order things happen',
  async (poolSize, maxOverflow) => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 80 }), async events => {
        const world = new World(poolSize, maxOverflow)
        for (const each of events) await world.happen(each)
        await world.end()
      }),
      { numRuns: runs },
    )
  },
  300_000,
)
