import { MessagePort, postMessageToThread } from 'node:worker_threads'
import fc from 'fast-check'
import type { Client } from 'pg'
import { kind } from '../../src/protocol/messages.ts'
import { attach } from '../../src/worker/attach.ts'
import { Intruder } from '../support/intruder.ts'

/** What was posted in this thread: messages of the data plane, and calls of the control plane. */
interface Traffic {
  readonly data: (readonly unknown[])[]
  readonly control: object[]
}

/** Ports and functions can't be kept, and what can't be cloned was never sent. */
function copyOf<T>(value: T): T | undefined {
  try {
    return structuredClone(value)
  } catch {
    return undefined
  }
}

/** Uses a pool as honest threads do, and keeps what that says. */
async function record(): Promise<Traffic> {
  const traffic: Traffic = { data: [], control: [] }
  const { postMessage } = MessagePort.prototype
  MessagePort.prototype.postMessage = function (this: MessagePort, ...args: [unknown, never]) {
    const post = copyOf(args[0])
    if (Array.isArray(post)) traffic.data.push(...(post as (readonly unknown[])[]))
    else if (typeof post === 'object' && post !== null && Reflect.get(post, 'type') === 'APPLY')
      traffic.control.push(post)
    return Reflect.apply(postMessage, this, args)
  }
  try {
    const pool = await attach<Client>()
    await pool.on('connect', () => {})
    await pool.use(async conn => {
      await conn.query('begin')
      await conn.query('select $1::int as n, $2::bytea as b', [1, Buffer.from('bytes')])
      await conn.query({ text: 'select $1::text as t', values: ['text'], rowMode: 'array' })
      await conn.query('select 1/0').catch(() => {})
      await conn.query('rollback')
      for await (const _ of (conn as unknown as { cursor(...args: unknown[]): AsyncIterable<unknown> }).cursor(
        'select generate_series(1, 5)',
        [],
        { batchSize: 2 },
      ));
      await conn.info!.set('key', { value: [1, 2] })
      await conn.info!.get('key')
      await conn.recordInfo!.has('key')
    })
    await Promise.all([1, 2, 3, 4, 5].map(n => pool.query('select $1::int as n', [n])))
    await Promise.all([1, 2, 3, 4, 5].map(() => pool.use(conn => conn.query('select 1'))))
    await pool.use(conn => conn.invalidate(new Error('so be it', { cause: new TypeError('why') })))
    await pool.use(conn => conn.invalidate(undefined, { soft: true }))
    // The others may have all of them at this moment.
    await pool.connect({ timeoutMs: 0 }).then(
      conn => conn.detach().then(() => conn.close()),
      () => {},
    )
    await pool.status()
    await pool.holders()
    await pool.off('connect', () => {})
  } finally {
    MessagePort.prototype.postMessage = postMessage
  }
  // What neither transport says of itself, some say all the same.
  traffic.data.push([kind.ask, 1], [kind.leave, 1], [kind.freed], [kind.late, 1, 5, 0, 'query'], [kind.adopted, 9])
  traffic.data.push([kind.call, 1, 0, 0, 'query', ['select $1::int as n', [1]], undefined])
  traffic.data.push([kind.query, 1, 'select $1::int as n', [1], undefined, undefined], [kind.collected, 1, 2])
  traffic.data.push([kind.cursor, 1, 0, ['select 1', [], {}]], [kind.read, 1, 0, 1, 'read'], [kind.release, 0, 1])
  traffic.data.push([kind.transport, 'direct', undefined], [kind.handover, 1, 0], [kind.held, []], [kind.detach, 1, 0])
  return traffic
}

/** Anything that can be sent, often of the kind that libraries forget. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    maxDepth: 3,
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
  }),
  fc.constantFrom<unknown>(
    -1,
    0,
    -0,
    1,
    2 ** 31,
    2 ** 53,
    -(2 ** 53),
    1e308,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1.5,
    7n,
  ),
  fc.constantFrom<unknown>('', '__proto__', 'constructor', '\0', 'x'.repeat(5000), { toString: null, valueOf: null }, [
    [],
  ]),
  fc.constantFrom<unknown>(
    { length: 2 ** 32 },
    new Array(2 ** 32 - 1),
    JSON.parse('{"__proto__":{"x":1}}'),
    new Uint8Array(9),
  ),
)

type Change = (value: unknown, at: number, by: unknown) => unknown

/** How a copy differs from what it is a copy of. */
const changes: Readonly<Record<string, Change>> = {
  none: value => value,
  replace: (_value, _at, by) => by,
  remove: (value, at) =>
    Array.isArray(value) ? (value.toSpliced?.(at, 1) ?? value.filter((_, i) => i !== at)) : undefined,
  insert: (value, at, by) => (Array.isArray(value) ? [...value.slice(0, at), by, ...value.slice(at)] : [value, by]),
  nudge: (value, at) => (typeof value === 'number' ? value + [1, -1, 2 ** 31, 0.5][at % 4]! : value),
  text: value => String(typeof value === 'symbol' ? '' : Object(value) === value ? '' : value),
  wrap: value => [value],
  twice: value => [value, value],
}

interface Mutation {
  readonly of: number
  readonly path: readonly number[]
  readonly change: string
  readonly at: number
  readonly by: unknown
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  of: fc.nat(),
  path: fc.oneof({ weight: 9, arbitrary: fc.array(fc.nat(7), { minLength: 1, maxLength: 3 }) }, fc.constant([])),
  change: fc.constantFrom(...Object.keys(changes)),
  at: fc.nat(7),
  by: anything,
})

function mutate(value: unknown, { path, change, at, by }: Mutation, depth = 0): unknown {
  const step = path[depth]
  if (step === undefined || typeof value !== 'object' || value === null) return changes[change]!(value, at, by)
  if (Array.isArray(value))
    return value.map((item, i) =>
      i === step % value.length ? mutate(item, { path, change, at, by } as Mutation, depth + 1) : item,
    )
  const keys = Object.keys(value)
  const key = keys[step % Math.max(1, keys.length)]
  return key === undefined
    ? by
    : { ...value, [key]: mutate(Reflect.get(value, key), { path, change, at, by } as Mutation, depth + 1) }
}

/** So many messages are posted before the next look at what was granted, and the next pause. */
const burst = 50

/** Sends so many messages that are wrong, or nearly right, or right by chance. Returns how many of the copies had been recorded. */
export async function fuzz(seed: number, count: number): Promise<number> {
  const { data, control } = await record()
  let intruder = await Intruder.enter()
  let plane = intruder.control()
  const held = new Set<number>()
  const send = (post: unknown, port = intruder.port): void => {
    try {
      port.postMessage(post)
    } catch {
      // It can't be sent: then it is no attack.
      port.postMessage('what can not be cloned')
    }
  }
  const mutations = fc.sample(mutation, { numRuns: count, seed })
  for (const [i, each] of mutations.entries()) {
    if (i % 10 === 9) send([each.by])
    else if (i % 10 === 8) send(mutate(control[each.of % control.length], each), plane)
    else if (i % 100 === 7)
      postMessageToThread(0, mutate({ fairypool: 'attach', name: 'default', threadId: 1 }, each)).catch(() => {})
    else send([inReach(mutate(aimed(data[each.of % data.length]!, intruder, held, each), each), each, intruder)])
    if (i % burst !== burst - 1) continue
    // A number out of range makes every later one a used one: then it begins anew.
    const isStuck = (await intruder.outcome(kind.detach, 0)) === 'ArgumentError'
    for (const [what, , lease] of intruder.heard.splice(0) as (readonly [number, unknown, unknown])[]) {
      if (what === kind.grant) held.add(lease as number)
    }
    // It holds nothing for long: what it may keep from others is what it has.
    for (const lease of held) send([[kind.end, 0, lease, 'closed']])
    held.clear()
    if (isStuck || i % (burst * 40) === burst * 40 - 1) {
      intruder.leave()
      intruder = await Intruder.enter()
      plane = intruder.control()
    }
    const [what, lease] = await intruder.ask(kind.connect)
    if (what === 'grant') held.add(lease as number)
  }
  await intruder.heardOut()
  intruder.leave()
  return data.length
}

/** A number far out makes all that come after it wrong: that is tried, but not all the time. */
function inReach(message: unknown, { at }: Mutation, intruder: Intruder): unknown {
  if (at !== 0 && Array.isArray(message) && Number.isSafeInteger(message[1]) && message[1] > 10_000_000)
    message[1] = intruder.nextId()
  return message
}

/** A recorded message with numbers of now: of this port's requests, and mostly of a lease that it has. */
function aimed(
  message: readonly unknown[],
  intruder: Intruder,
  held: ReadonlySet<number>,
  { of, at }: Mutation,
): unknown[] {
  const [what, ...parts] = message
  const lease = [...held][of % Math.max(1, held.size)] ?? at
  const [first, second, ...rest] = parts
  switch (what) {
    case kind.call:
    case kind.end:
    case kind.invalidate:
    case kind.detach:
    case kind.cursor:
    case kind.read:
    case kind.handover:
      return [what, intruder.nextId(), at === 7 ? second : lease, ...rest]
    case kind.release:
    case kind.failed:
      return [what, lease, second, ...rest]
    case kind.ask:
    case kind.connect:
    case kind.late:
    case kind.query:
      return [what, intruder.nextId(), second, ...rest]
    default:
      return [what, first, second, ...rest]
  }
}
