import type { MessagePort } from 'node:worker_threads'
import type { Holder } from '../base/holder.ts'
import type { WireRows } from './row-coder.ts'
import type { WireError } from './wire-error.ts'

/*
 * The data plane: what a worker and the coordinator say to each other. A message is a tuple whose first element is its kind;
 * one post carries all the messages of one tick. `id` numbers a request of this port; its answer carries the same number.
 */

/** Kinds of messages. The numbers are on the wire only. */
export const kind = {
  ask: 0,
  connect: 1,
  leave: 2,
  late: 3,
  freed: 4,
  call: 5,
  end: 6,
  invalidate: 7,
  detach: 8,
  cursor: 9,
  read: 10,
  release: 11,
  control: 12,
  grant: 13,
  dismissed: 14,
  bye: 15,
  answer: 16,
  failure: 17,
  notice: 18,
  handle: 19,
  rows: 20,
  transport: 21,
  handover: 22,
  failed: 23,
  collect: 24,
  collected: 25,
  query: 26,
  adopted: 27,
  inquire: 28,
  held: 29,
  letGo: 30,
  watch: 31,
  stands: 32,
  deadlock: 33,
} as const

/** How a worker can end a lease. */
export type RemoteEnd = 'closed' | 'collected' | 'task ended'

/**
 * Run a statement of `pool.query()`. It may wait for a connection as long as the pool says (`timeoutMs` undefined), as long as
 * its caller has patience (null), or not at all (0).
 */
export type QueryRequest = readonly [
  kind: typeof kind.query,
  id: number,
  text: string,
  values: readonly unknown[] | undefined,
  buffers: readonly Uint8Array[] | undefined,
  timeoutMs: 0 | null | undefined,
]

/** A caller has waited `timeoutMs` in vain, lately by this `ask` (0: none): what is there to be said? The answer is a failure. */
export type LateReport = readonly [
  kind: typeof kind.late,
  id: number,
  timeoutMs: number,
  ask: number,
  verb: 'connect' | 'query',
]

/** What a thread says of one lease that it holds: what is not known to others. */
export type HeldFacts = Pick<Holder, 'lease' | 'task' | 'stack' | 'statement'>

/** From a worker to the coordinator. */
export type Request =
  | QueryRequest
  /** One of my callers waits: I want one more connection, for whoever of them is first then. */
  | readonly [kind: typeof kind.ask, id: number]
  /** I want a connection now or never. */
  | readonly [kind: typeof kind.connect, id: number]
  /** I do not want the connection, or the result, of request `id` any more. If a connection is granted already, take it back. */
  | readonly [kind: typeof kind.leave, id: number]
  | LateReport
  /** I have returned a connection by myself, or need one no more that is on its way to me, and somebody waits; or an ask of mine is needed again. */
  | readonly [kind: typeof kind.freed]
  /** Call a method of the lease's connection (`target` 0), or of a handle of it. */
  | readonly [
      kind: typeof kind.call,
      id: number,
      lease: number,
      target: number,
      method: string,
      args: readonly unknown[],
      buffers: readonly Uint8Array[] | undefined,
    ]
  /**
   * The lease is over. `id` 0: no answer is wanted. `inTransaction`: how the thread has left the session that it has used by
   * itself; undefined: it has not.
   */
  | readonly [kind: typeof kind.end, id: number, lease: number, reason: RemoteEnd, inTransaction?: boolean | undefined]
  | readonly [kind: typeof kind.invalidate, id: number, lease: number, error: WireError | undefined, soft: boolean]
  | readonly [kind: typeof kind.detach, id: number, lease: number]
  /** Begin to read rows; answered with the number of a handle. */
  | readonly [kind: typeof kind.cursor, id: number, lease: number, args: readonly unknown[]]
  /** The next batch of a cursor; `close` ends it instead. */
  | readonly [kind: typeof kind.read, id: number, lease: number, target: number, what: 'read' | 'close']
  /** Nobody refers to this handle any more. */
  | readonly [kind: typeof kind.release, lease: number, target: number]
  /** This is how I reach connections, and why not directly. */
  | readonly [kind: typeof kind.transport, transport: 'direct' | 'remote', why: string | undefined]
  /** What do I need to run the driver myself on what I hold? Answered with an `Offer`, or undefined: then you run it. */
  | readonly [kind: typeof kind.handover, id: number, lease: number]
  /** The descriptor that was made for me is mine, or I have closed it. */
  | readonly [kind: typeof kind.adopted, descriptor: number]
  /** A call that I have made by myself has failed, and it looks as if the connection were gone. */
  | readonly [kind: typeof kind.failed, lease: number, error: WireError]
  /** I have collected my garbage, as you asked: so many of my fairies were forgotten, and I stood still for so long. */
  | readonly [kind: typeof kind.collected, reclaimed: number, pauseMs: number]
  /** This is what I hold, as you asked. */
  | readonly [kind: typeof kind.held, facts: readonly HeldFacts[]]
  /** I am at a standstill, as you wanted to know under this number; my youngest caller has come then, monotonic milliseconds. */
  | readonly [kind: typeof kind.stands, id: number, youngestAt: number]
  /** Here is a port for the control plane. */
  | readonly [kind: typeof kind.control, port: MessagePort]

/** From the coordinator to a worker. */
export type Reply =
  /** `isOffer`: it has to be accepted in the slot; until then it can be taken back. */
  | readonly [kind: typeof kind.grant, id: number, lease: number, isOffer: boolean]
  /** Nobody waited in your thread when it was your turn: ask again when somebody does. `id` 0: look whether you need another. */
  | readonly [kind: typeof kind.dismissed, id: number]
  /** Callers starve, and you hold connections: collect your garbage, and say so. */
  | readonly [kind: typeof kind.collect]
  /** Somebody wants to know who holds what: say what you hold. */
  | readonly [kind: typeof kind.inquire]
  /** Connections have been closed by themselves: let go what you have of those that are gone. */
  | readonly [kind: typeof kind.letGo]
  /** All connections are out, and nothing moves: say so if your thread comes to a standstill. The number is that of the question. */
  | readonly [kind: typeof kind.watch, id: number]
  /** So do all that hold anything: your youngest caller fails, if you still stand as you said under this number. */
  | readonly [kind: typeof kind.deadlock, id: number, error: WireError]
  /** The pool is shared no more. Close the port when you have read this. */
  | readonly [kind: typeof kind.bye]
  | readonly [kind: typeof kind.answer, id: number, value: unknown, buffers: readonly Uint8Array[] | undefined]
  /** A result of rows, in the form of `row-coder.ts`. */
  | readonly [kind: typeof kind.rows, id: number, rows: WireRows]
  | readonly [kind: typeof kind.failure, id: number, error: WireError]
  /** An event of the pool that a listener in this thread wants to hear of. */
  | readonly [kind: typeof kind.notice, notice: PoolNotice]
  /** The result can't be cloned; it stays on the coordinator, under this number, as long as the lease. */
  | readonly [kind: typeof kind.handle, id: number, target: number, lease: number]

/** An event of the pool, as far as it can be told in another thread. */
export interface PoolNotice {
  readonly event: string
  /** The number of the connection, as in the log; undefined when there is none. */
  readonly connection: number | undefined
  /** The number of the record; undefined for a detached connection. */
  readonly record: number | undefined
  /** Why: of an invalidation. */
  readonly error: WireError | undefined
}

/** What a worker says when it attaches, by `postMessageToThread`. */
export interface Hello {
  readonly fairypool: 'attach'
  readonly name: string
  readonly threadId: number
  readonly port: MessagePort
}

/** The coordinator's first message on the data plane. */
export interface Welcome {
  readonly session: number
  /** The slot table. An address may be older than the pool that bears its name now. */
  readonly buffer: SharedArrayBuffer
  readonly useThreadlocal: boolean
  readonly traceCheckouts: boolean
  readonly detectDeadlocks: boolean
  readonly timeoutMs: number | null
  readonly useLifo: boolean
  readonly recycleMs: number
  /** The most connections the pool can have; null: no limit. */
  readonly limit: number | null
  /** How many callers may wait at a time, in all threads; null: no limit. */
  readonly maxWaiters: number | null
  readonly closeTimeoutMs: number
  /** What is open is ended on return: a thread can't return it by itself. */
  readonly resets: boolean
  readonly prePing: boolean
  readonly pingIntervalMs: number | null
  /** The module by which a thread can run the driver itself; or why none can. */
  readonly handover: { readonly module: string } | { readonly obstacle: string }
  /** A thread that runs the driver itself may do so with the statements of `pool.query()` as well. */
  readonly pipelines: boolean
  readonly dialect: string
  /** The methods a worker may call; undefined: any. */
  readonly methods: readonly string[] | undefined
}

/** The key of `setEnvironmentData` under which shared pools are found, by name. */
export const environmentKey = 'fairypool.pools'
