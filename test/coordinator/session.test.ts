import { EventEmitter, once } from 'node:events'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { MaybePromise } from '../../src/base/maybe-async.ts'
import { Session } from '../../src/coordinator/session.ts'
import type { Pool } from '../../src/pool/pool.ts'
import { kind, type Reply } from '../../src/protocol/messages.ts'
import { SlotTable } from '../../src/slots/slot-table.ts'
import { slotOfLease, wordOfLease } from '../../src/slots/state.ts'
import { eventually } from '../support/eventually.ts'
import { settle } from '../support/observe.ts'
import { openPool } from '../support/open-pool.ts'
import { type ToyConnection, toyCreator } from '../support/toy-driver.ts'

/** A pool of one connection, a session of it, and the port of its thread, which says what it likes. */
function attached(toys: { creator: () => MaybePromise<ToyConnection>; made: ToyConnection[] } = toyCreator()) {
  const { creator, made } = toys
  const pool = openPool<ToyConnection>({ creator, poolSize: 1, maxOverflow: 0 })
  const { port1, port2 } = new MessageChannel()
  const session = new Session(pool as unknown as Pool<object>, { session: 1, threadId: 99 }, port2)
  const over = session.over()
  const heard: Reply[] = []
  const told = new EventEmitter()
  port1.on('message', post => {
    if (!Array.isArray(post)) return
    heard.push(...(post as Reply[]))
    told.emit('more')
  })
  let id = 0
  /** What a request is answered with, and how. */
  const ask = async (what: number, ...parts: readonly unknown[]): Promise<Reply> => {
    const number = ++id
    port1.postMessage([[what, number, ...parts]])
    for (;;) {
      const reply = heard.find(each => each[1] === number)
      if (reply) return reply
      await once(told, 'more')
    }
  }
  onTestFinished(async () => {
    port1.close()
    await over
  })
  return { pool, made, session, near: port1, far: port2, heard, ask }
}

/** A port for a control plane, and what is told when its other end is closed. */
function plane(): { readonly port: MessagePort; readonly closed: ReturnType<typeof vi.fn<() => void>> } {
  const { port1, port2 } = new MessageChannel()
  const closed = vi.fn<() => void>()
  port1.once('close', closed)
  port1.postMessage('read me')
  return { port: port2, closed }
}

it('a session that has ended does nothing any more, whatever its thread says', async () => {
  const { pool, made, session, near, heard } = attached()
  session.end()
  const { port, closed } = plane()
  const wishes = [
    [kind.connect, 1],
    [kind.query, 2, 'select 1', undefined, undefined, undefined],
    [kind.detach, 3, 'x'],
  ]
  near.postMessage([...wishes, [kind.control, port]], [port])
  await eventually(() => closed.mock.calls.length).toBe(1)
  await settle()
  expect(heard).toEqual([[kind.bye]])
  expect([made, pool.status().refused, pool.status().transports]).toEqual([[], 0, []])
})

it('its control plane ends with it', async () => {
  const { session, near, ask } = attached()
  const { port, closed } = plane()
  near.postMessage([[kind.control, port]], [port])
  await ask(kind.detach, 1)
  expect(closed).not.toHaveBeenCalled()
  session.end()
  await eventually(() => closed.mock.calls.length).toBe(1)
})

it('nor does it keep a port that came before its end and is looked at behind it', async () => {
  const { session, near, far, heard } = attached()
  far.once('message', () => session.end())
  const { port, closed } = plane()
  // What is more than can be looked at in one go waits for the next turn.
  near.postMessage([...Array(1000).fill([kind.freed]), [kind.control, port]], [port])
  await eventually(() => closed.mock.calls.length).toBe(1)
  expect(heard).toEqual([[kind.bye]])
})

it('a lease is what stands in its slot: neither one that its thread has ended by itself, nor a number near it', async () => {
  const { pool, ask } = attached()
  const table = SlotTable.attach(pool.share().buffer)
  const outcome = async (lease: number): Promise<unknown> => {
    const [what, , failure] = await ask(kind.call, lease, 0, 'whoami', [], undefined)
    return what === kind.failure ? (failure as { readonly name: string }).name : failure
  }
  const first = (await ask(kind.connect))[2] as number
  expect(await outcome(first)).toBe(1)
  const slot = slotOfLease(first)
  // As the thread does it, in shared memory.
  const idle = table.step(slot, wordOfLease(first), 'idle')
  expect(await outcome(first)).toBe('StaleLeaseError')
  const second = first - wordOfLease(first) + table.step(slot, idle, 'leased', 1)
  expect(await outcome(first)).toBe('StaleLeaseError')
  for (const lease of [second + 1, second + 2, second + 2 ** 31]) expect(await outcome(lease)).toBe('StaleLeaseError')
  expect(await outcome(second)).toBe(1)
})

it('one that ends at whatever step of an opening takes the connection along, and no place', async () => {
  for (let hops = 0; hops < 40; hops++) {
    const { creator, made } = toyCreator()
    const opening = new EventEmitter()
    const opened = once(opening, 'done')
    const { pool, session, near } = attached({
      made,
      async creator() {
        opening.emit('begun')
        await opened
        return creator()
      },
    })
    const begun = once(opening, 'begun')
    near.postMessage([[kind.connect, 1]])
    await begun
    opening.emit('done')
    for (let i = 0; i < hops; i++) await null
    session.end()
    await settle()
    expect([hops, pool.status().checkedout]).toEqual([hops, 0])
    const { number } = await pool.use(async fairy => ({ number: await fairy.whoami() }))
    expect(number).toBe(made.length)
    pool.unshare()
    await pool.dispose()
  }
})
