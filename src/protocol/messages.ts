import type { MessagePort } from 'node:worker_threads'
import type { WireError } from './wire-error.ts'

/*
 * The data plane: what a worker and the coordinator say to each other. A message is a tuple whose first element is its kind;
 * one post carries all the messages of one tick. `id` numbers a request of this port; its answer carries the same number.
 */

/** Kinds of messages. The numbers are on the wire only. */
export const kind = {
  connect: 0,
  leave: 1,
  call: 2,
  end: 3,
  invalidate: 4,
  detach: 5,
  cursor: 6,
  read: 7,
  release: 8,
  control: 9,
  grant: 10,
  answer: 11,
  failure: 12,
  handle: 13,
} as const

/** How a worker can end a lease. */
export type RemoteEnd = 'closed' | 'collected' | 'task ended'

/** From a worker to the coordinator. */
export type Request =
  /** I want a connection. `timeoutMs` null: for ever; undefined: as the pool says. */
  | readonly [kind: typeof kind.connect, id: number, timeoutMs: number | null | undefined]
  /** I do not want the connection of request `id` any more. If it is granted already, take it back. */
  | readonly [kind: typeof kind.leave, id: number]
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
  /** The lease is over. `id` 0: no answer is wanted. */
  | readonly [kind: typeof kind.end, id: number, lease: number, reason: RemoteEnd]
  | readonly [kind: typeof kind.invalidate, id: number, lease: number, error: WireError | undefined, soft: boolean]
  | readonly [kind: typeof kind.detach, id: number, lease: number]
  /** Begin to read rows; answered with the number of a handle. */
  | readonly [kind: typeof kind.cursor, id: number, lease: number, args: readonly unknown[]]
  /** The next batch of a cursor; `close` ends it instead. */
  | readonly [kind: typeof kind.read, id: number, lease: number, target: number, what: 'read' | 'close']
  /** Nobody refers to this handle any more. */
  | readonly [kind: typeof kind.release, lease: number, target: number]
  /** Here is a port for the control plane. */
  | readonly [kind: typeof kind.control, port: MessagePort]

/** From the coordinator to a worker. */
export type Reply =
  | readonly [kind: typeof kind.grant, id: number, lease: number]
  | readonly [kind: typeof kind.answer, id: number, value: unknown, buffers: readonly Uint8Array[] | undefined]
  | readonly [kind: typeof kind.failure, id: number, error: WireError]
  /** The result can't be cloned; it stays on the coordinator, under this number, as long as the lease. */
  | readonly [kind: typeof kind.handle, id: number, target: number]

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
  readonly timeoutMs: number | null
  readonly poolSize: number
  readonly dialect: string
  /** The methods a worker may call; undefined: any. */
  readonly methods: readonly string[] | undefined
}

/** The key of `setEnvironmentData` under which shared pools are found, by name. */
export const environmentKey = 'fairypool.pools'
