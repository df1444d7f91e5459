import { mostCells, Position } from './position.ts'
import { Messages, type Note, type Program, replay, type Step } from './replay.ts'
import { type Counterexample, type Happened, World } from './world.ts'

/** Threads on one table, and what must be true of them. */
export interface Scenario {
  readonly buffer: SharedArrayBuffer
  /** By number; the first is the coordinator. */
  readonly threads: readonly Program[]
  /** Threads that may be terminated after any step. The coordinator gets `['gone']` from each. */
  readonly mortals?: readonly number[]
  /** How many of them at most; 1 if not said. */
  readonly deaths?: number
  /** When nothing can happen any more, the coordinator looks by itself: it gets `['look']`, once. */
  readonly looks?: boolean
  /** What is wrong when nothing can happen any more, all messages are read, and these threads still sleep. */
  readonly atRest: (words: Int32Array, asleep: readonly number[], dead: readonly number[]) => string | undefined
  /** Only schedules in which a thread that could go on is so often made to wait for another; all of them, if not said. */
  readonly preemptions?: number
}

/** What an exploration has found. */
export interface Findings {
  readonly states: number
  readonly counterexample: Counterexample | undefined
}

/** So many states are too many for a test. */
const mostStates = 4_000_000

/**
 * Explores every interleaving of a scenario's threads, step by step and depth first. States that were seen are not explored again.
 * A step on a word that no other thread will write (or, if it is a write, look at) commutes with all that others can do: it is
 * taken at once. Which words those are is learnt on the way, and the exploration begins anew when more has been learnt.
 */
export function explore(scenario: Scenario): Findings {
  const exploration = new Exploration(scenario)
  let found = exploration.run(scenario.preemptions)
  if (found.counterexample === undefined) return found
  // The same fault with the fewest preemptions is the easiest to read.
  for (let preemptions = 0; preemptions < (scenario.preemptions ?? 6); preemptions++) {
    const simple = exploration.run(preemptions)
    if (simple.counterexample === undefined) continue
    found = { states: found.states, counterexample: simple.counterexample }
    break
  }
  return found
}

class Exploration {
  readonly #scenario: Scenario
  readonly #messages = new Messages()
  readonly #initial: Int32Array
  /** Numbers of the cells that are accessed, by their places in the table; and the other way round. */
  readonly #numbers = new Map<number, number>()
  readonly #places: number[] = []
  #positions = 0
  #hasLearnt = false
  readonly #roots: Position[]
  /** By state: the most preemptions that were left when it was explored. */
  #seen = new Map<number, number>()
  #path: Happened[] = []

  constructor(scenario: Scenario) {
    this.#scenario = scenario
    this.#initial = new Int32Array(scenario.buffer.slice(0))
    this.#roots = scenario.threads.map((_, thread) => this.#reach(thread, undefined, 0))
  }

  run(preemptions = Number.POSITIVE_INFINITY): Findings {
    for (;;) {
      this.#hasLearnt = false
      this.#seen = new Map()
      this.#path = []
      const world = new World([...this.#roots])
      const fault =
        this.#roots.find(each => each.fault)?.fault ?? this.#settle(world) ?? this.#visit(world, -1, preemptions)
      const states = this.#seen.size
      // What was found before all was learnt may have been found by more preemptions than are allowed.
      if (this.#hasLearnt) continue
      const counterexample = fault ? { fault, schedule: this.#path, messages: this.#messages } : undefined
      return { states, counterexample }
    }
  }

  /** Explores all that can follow; a fault leaves its schedule in the path. */
  #visit(world: World, running: number, left: number): string | undefined {
    const isBounded = left !== Number.POSITIVE_INFINITY
    const state = world.hash(this.#places.length, isBounded ? running + 1 : 0)
    if ((this.#seen.get(state) ?? -1) >= left) return undefined
    this.#seen.set(state, left)
    if (this.#seen.size > mostStates) throw new Error(`more than ${mostStates} states: bound the preemptions`)
    const mayGoOn = running >= 0 && this.#choices(world, running).length > 0
    let isAtRest = true
    for (let thread = 0; thread < world.positions.length; thread++) {
      const remaining = mayGoOn && thread !== running ? left - 1 : left
      for (const choice of this.#choices(world, thread)) {
        isAtRest = false
        if (remaining < 0) continue
        const fault = this.#take(world.copy(), thread, choice, remaining)
        if (fault) return fault
      }
    }
    const fault = isAtRest ? this.#rest(world, left) : undefined
    return fault ?? this.#kill(world, running, left)
  }

  /** Nothing happens by itself any more. */
  #rest(world: World, left: number): string | undefined {
    if (!this.#scenario.looks || world.hasLooked) return this.#examine(world)
    const after = world.copy()
    after.hasLooked = true
    after.post(0, 0, this.#messages.number(['look']))
    return this.#visit(after, -1, left)
  }

  #take(world: World, thread: number, choice: number, left: number): string | undefined {
    const depth = this.#path.length
    const fault = this.#step(world, thread, choice) ?? this.#settle(world) ?? this.#visit(world, thread, left)
    if (!fault) this.#path.length = depth
    return fault
  }

  /** Any mortal thread may be terminated now, before or after its messages have arrived. */
  #kill(world: World, running: number, left: number): string | undefined {
    const { mortals = [], deaths = 1 } = this.#scenario
    if (mortals.filter(each => world.isDead(each)).length >= deaths) return undefined
    for (const thread of mortals.filter(each => !world.isDead(each))) {
      for (const step of ['dies', 'dies, and its messages with it'] as const) {
        if (step !== 'dies' && !world.mail.some((box, at) => at % world.positions.length === thread && box.length > 0))
          continue
        const after = world.copy()
        if (step !== 'dies') after.lose(thread)
        after.dead |= 1 << thread
        after.listeners[thread] = 0
        after.holders.forEach((holder, cell) => {
          if (holder === thread + 1) after.holders[cell] = 0
        })
        after.post(0, thread, this.#messages.number(['gone']))
        const depth = this.#path.push({ thread, step, result: 0 }) - 1
        const fault = this.#settle(after) ?? this.#visit(after, running === thread ? -1 : running, left)
        if (fault) return fault
        this.#path.length = depth
      }
    }
    return undefined
  }

  /** The ways in which a thread can go on: none, when it has ended or sleeps. */
  #choices(world: World, thread: number): readonly number[] {
    const { next } = world.positions[thread]!
    if (next === undefined || world.isDead(thread)) return []
    return next.what === 'take' ? world.senders(thread) : [0]
  }

  #step(world: World, thread: number, choice: number): string | undefined {
    const position = world.positions[thread]!
    const step = position.next!
    const result = this.#perform(world, thread, step, choice)
    if (thread !== 0) world.hasLooked = false
    this.#path.push({ thread, step, result })
    const reached = position.children.get(result) ?? this.#reach(thread, position, result)
    world.positions[thread] = reached
    return reached.fault ?? this.#heed(world, thread, reached.notes)
  }

  #perform(world: World, thread: number, step: Step, choice: number): number {
    if (step.what === 'take') return world.take(thread, choice) * world.positions.length + choice
    if (step.what === 'send') {
      world.post(step.cell, thread, step.value)
      return 0
    }
    const cell = this.#number(step.cell)
    const first = this.#initial[step.cell]!
    const before = world.cells[cell]! ^ first
    if (step.what === 'waitAsync') {
      if (before !== step.value) return 0
      world.listeners[thread] = cell + 1
      return 1
    }
    if (step.what === 'notify') return this.#notify(world, cell)
    const after = written(step, before)
    world.cells[cell] = after ^ first
    return step.what === 'store' || step.what === 'use' ? 0 : before
  }

  /** Whoever listens is told, and listens no more. */
  #notify(world: World, cell: number): number {
    for (let thread = 0; thread < world.listeners.length; thread++) {
      if (world.listeners[thread] !== cell + 1) continue
      world.listeners[thread] = 0
      world.post(thread, thread, this.#messages.number(['rung']))
    }
    return 0
  }

  #heed(world: World, thread: number, notes: readonly Note[]): string | undefined {
    for (const { what, cell, word } of notes) {
      const number = this.#number(cell)
      const holder = world.holders[number]! - 1
      if (what === 'lost' || (what === 'lets go' && holder === thread)) world.holders[number] = 0
      if (what !== 'holds' || (world.cells[number]! ^ this.#initial[cell]!) !== word) continue
      if (holder !== -1 && holder !== thread) return `two holders: thread ${holder} and thread ${thread}`
      world.holders[number] = thread + 1
    }
    return undefined
  }

  /** Takes the steps that commute with all that other threads can do. */
  #settle(world: World): string | undefined {
    const threads = [...world.positions.keys()]
    for (;;) {
      const thread = threads.find(each => this.#isPrivate(world, each))
      if (thread === undefined) return undefined
      const fault = this.#step(world, thread, 0)
      if (fault) return fault
    }
  }

  #isPrivate(world: World, thread: number): boolean {
    const { next } = world.positions[thread]!
    if (next === undefined || world.isDead(thread) || next.what === 'take' || next.what === 'send') return false
    const cell = this.#number(next.cell)
    const isWrite = next.what !== 'load'
    return world.positions.every((other, at) => {
      if (at === thread || world.isDead(at)) return true
      return !(isWrite ? other.touches : other.writes).has(cell)
    })
  }

  #reach(self: number, from: Position | undefined, result: number): Position {
    const log = from ? [...from.log, result] : []
    if (log.length > 400) throw new Error(`thread ${self} does not end`)
    const threads = this.#scenario.threads.length
    const context = { buffer: this.#scenario.buffer, self, messages: this.#messages, threads }
    const reached = replay(this.#scenario.threads[self]!, context, log)
    const position = new Position(this.#positions++, reached, from, result)
    from?.children.set(result, position)
    const { next } = position
    if (next && next.what !== 'take' && next.what !== 'send') {
      if (position.foresee(this.#number(next.cell), next.what !== 'load')) this.#hasLearnt = true
    }
    return position
  }

  #examine(world: World): string | undefined {
    const words = this.#initial.slice()
    this.#places.forEach((place, cell) => {
      words[place]! ^= world.cells[cell]!
    })
    const threads = [...world.positions.keys()]
    const asleep = threads.filter(thread => !world.isDead(thread) && world.positions[thread]!.next !== undefined)
    return this.#scenario.atRest(
      words,
      asleep,
      threads.filter(thread => world.isDead(thread)),
    )
  }

  #number(place: number): number {
    const known = this.#numbers.get(place)
    if (known !== undefined) return known
    const number = this.#places.push(place) - 1
    if (number >= mostCells) throw new Error('too many words are accessed')
    this.#numbers.set(place, number)
    return number
  }
}

function written({ what, value, expected }: Step, before: number): number {
  switch (what) {
    case 'store':
      return value
    case 'add':
      return (before + value) | 0
    case 'and':
      return before & value
    case 'or':
      return before | value
    case 'compareExchange':
      return before === expected ? value : before
    default:
      return before
  }
}
