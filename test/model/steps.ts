import fc from 'fast-check'
import { calm, type Mood } from './driver-model.ts'
import type { Thread } from './parts.ts'
import type { World } from './world.ts'
import type { WorldModel } from './world-model.ts'

/** What is left to chance in a step. */
interface Chance {
  readonly pick: number
  readonly thread: Thread
  readonly mood: Mood
  readonly how: 'hard' | 'soft'
  readonly fails: boolean
}

/** Something that can happen in a walk: to which of the things there are, what the model makes of it, and how it is done. */
interface Verb {
  readonly weight: number
  targets(model: Readonly<WorldModel>): readonly number[]
  foresee(model: WorldModel, target: number, chance: Chance): void
  happen(world: World, target: number, chance: Chance): void | Promise<void>
}

const error = new Error('broken')

/** The newest pool more often than those before it. */
const pools = ({ pools }: Readonly<WorldModel>): number[] => [...pools.keys(), pools.length - 1, pools.length - 1]

const verbs = {
  connect: {
    weight: 15,
    targets: pools,
    foresee: (model, pool, { thread }) => model.connect(pool, thread, 'waits'),
    happen: (world, pool, { thread }) => world.connect(pool, thread, 'waits'),
  },
  'connect now': {
    weight: 2,
    targets: pools,
    foresee: (model, pool, { thread }) => model.connect(pool, thread, 'now'),
    happen: (world, pool, { thread }) => world.connect(pool, thread, 'now'),
  },
  'give up': {
    weight: 2,
    targets: model => model.callersWho('pending'),
    foresee: (model, number) => {
      const [pool, caller] = model.at(number)
      pool.leave(caller)
    },
    happen: ({ callers }, caller) => callers[caller]!.controller.abort(new Error('left')),
  },
  close: {
    weight: 10,
    targets: model => model.callersWho('holds', 'detached'),
    foresee: (model, number) => {
      const [pool, caller] = model.at(number)
      pool.close(caller)
    },
    happen: (world, caller) => world.do(world.callers[caller]!.holding!.close(), 'close'),
  },
  'close again': {
    weight: 1,
    targets: model => model.callersWho('over'),
    foresee: (model, number) => {
      const [pool, caller] = model.at(number)
      pool.close(caller)
    },
    happen: (world, caller) => world.do(world.callers[caller]!.holding!.close(), 'close'),
  },
  invalidate: {
    weight: 5,
    targets: model => model.callersWho('holds', 'holds', 'detached', 'over'),
    foresee: (model, number, { how }) => {
      const [pool, caller] = model.at(number)
      pool.invalidate(caller, how, 'broken')
    },
    happen: (world, caller, { how }) =>
      world.do(world.callers[caller]!.holding!.invalidate(error, { soft: how === 'soft' })),
  },
  detach: {
    weight: 2,
    targets: model => model.callersWho('holds', 'detached', 'over'),
    foresee: (model, number) => {
      const [pool, caller] = model.at(number)
      pool.detach(caller)
    },
    happen: (world, caller) => world.do(world.callers[caller]!.holding!.detach()),
  },
  'pool invalidate': {
    weight: 1,
    targets: pools,
    foresee: (model, pool) => model.pools[pool]!.invalidateAll(undefined, 'broken'),
    happen: (world, pool, { thread }) => world.do(world.pools[pool]!.users[thread].invalidate()),
  },
  'report to pool': {
    weight: 2,
    targets: model => model.callersWho('holds', 'detached', 'over'),
    foresee: (model, number) => {
      const [pool, caller] = model.at(number)
      pool.invalidateAll(caller, 'broken')
    },
    happen: (world, number) => {
      const { pool, thread, holding } = world.callers[number]!
      world.do(pool.users[thread].invalidate(holding, error))
    },
  },
  'record invalidate': {
    weight: 2,
    targets: model => model.seated,
    foresee: (model, connection, { how }) => {
      const [pool, place] = model.seatOf(connection)
      pool.invalidateRecord(place, how, 'broken')
    },
    happen: (world, connection, { how }) => {
      world.do(world.recordOf(connection).invalidate(error, { soft: how === 'soft' }))
    },
  },
  'record close': {
    weight: 1,
    targets: model => model.seated,
    foresee: (model, connection) => {
      const [pool, place] = model.seatOf(connection)
      pool.closeRecord(place)
    },
    happen: (world, connection) => world.do(world.recordOf(connection).close()),
  },
  dispose: {
    weight: 1,
    targets: pools,
    foresee: (model, pool) => model.pools[pool]!.dispose(),
    happen: (world, pool, { thread }) => world.do(world.pools[pool]!.users[thread].do(pool => pool.dispose())),
  },
  recreate: {
    weight: 0.3,
    targets: ({ pools }) => (pools.length < 3 ? [pools.length - 1] : []),
    foresee: model => model.recreate(),
    happen: (world, pool, { thread }) => world.recreate(pool, thread),
  },
  'open goes on': {
    weight: 5,
    targets: ({ driver }) => (driver.waitingAt('open') > 0 ? [0] : []),
    foresee: ({ driver }, _, { fails }) => driver.release('open', fails ? 'broken' : undefined),
    happen: (world, _, { fails }) => world.release('open', fails ? error : undefined),
  },
  'ping goes on': {
    weight: 5,
    targets: ({ driver }) => (driver.waitingAt('ping') > 0 ? [0] : []),
    foresee: ({ driver }, _, { fails }) => driver.release('ping', fails ? 'broken' : undefined),
    happen: (world, _, { fails }) => world.release('ping', fails ? error : undefined),
  },
  'reset goes on': {
    weight: 5,
    targets: ({ driver }) => (driver.waitingAt('reset') > 0 ? [0] : []),
    foresee: ({ driver }, _, { fails }) => driver.release('reset', fails ? 'broken' : undefined),
    happen: (world, _, { fails }) => world.release('reset', fails ? error : undefined),
  },
} as const satisfies Record<string, Verb>

type Name = keyof typeof verbs

/** One step of a walk: done in reality, foreseen by the model, and compared. */
export class Step implements fc.AsyncCommand<WorldModel, World> {
  readonly #name: Name
  readonly #verb: Verb
  readonly #chance: Chance

  constructor(name: Name, chance: Chance) {
    this.#name = name
    this.#verb = verbs[name]
    this.#chance = chance
  }

  check(model: Readonly<WorldModel>): boolean {
    return !model.isUndecided && this.#verb.targets(model).length > 0
  }

  async run(model: WorldModel, world: World): Promise<void> {
    const targets = this.#verb.targets(model)
    const target = targets[this.#chance.pick % targets.length]!
    const { mood } = this.#chance
    world.begin(mood, `${this.#name} ${target}: ${this}`)
    await this.#verb.happen(world, target, this.#chance)
    await world.settle()
    model.begin(mood)
    this.#verb.foresee(model, target, this.#chance)
    model.settle()
    if (!model.isUndecided) await world.agree(model)
  }

  toString(): string {
    const { pick, thread, how, fails, mood } = this.#chance
    const moods = Object.entries(mood).filter(([, how]) => how !== 'ok')
    return `${this.#name}(${[pick, thread, how, ...(fails ? ['fails'] : []), ...moods.map(mood => mood.join(' '))].join(', ')})`
  }
}

/** Mostly well. */
const mostly = <T extends string>(...others: readonly T[]): fc.Arbitrary<'ok' | T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant('ok' as const) }, { weight: 1, arbitrary: fc.constantFrom(...others) })

const chance: fc.Arbitrary<Chance> = fc.record({
  pick: fc.nat(11),
  thread: fc.constantFrom('here', 'there'),
  how: fc.constantFrom('hard', 'soft'),
  fails: fc.boolean(),
  mood: fc.record({
    open: mostly('fails', 'slow'),
    reset: mostly('fails', 'slow'),
    ping: fc.constantFrom('ok', 'ok', 'fails', 'slow', 'dead'),
    close: mostly('fails'),
    listeners: mostly('refuse a new one', 'refuse one', 'find one dead'),
  }),
})

/** Any step. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  ...Object.entries(verbs).map(([name, { weight }]) => ({
    weight: weight * 10,
    arbitrary: chance.map(chance => new Step(name as Name, chance)),
  })),
)

/** The end of every walk: what is slow goes on, who waits gives up, what is out is closed, and what is at home. */
export async function end(model: WorldModel, world: World): Promise<void> {
  const order: readonly Name[] = ['open goes on', 'ping goes on', 'reset goes on', 'give up', 'close']
  const chance: Chance = { pick: 0, thread: 'here', how: 'hard', fails: false, mood: calm }
  for (let name = order.find(hasTarget(model)); name; name = order.find(hasTarget(model)))
    await new Step(name, chance).run(model, world)
  for (const pool of model.isUndecided ? [] : model.pools.keys())
    await new Step('dispose', { ...chance, pick: pool }).run(model, world)
}

const hasTarget =
  (model: WorldModel) =>
  (name: Name): boolean =>
    !model.isUndecided && verbs[name].targets(model).length > 0
