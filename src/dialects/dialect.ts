import type { Peek } from '../base/descriptors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'

/** Rows in batches, read one after another until a batch comes back empty. */
export interface BatchReader {
  /** The next batch; an empty one ends it. */
  read(): Promise<readonly unknown[]>
  /** Ends the reading early. Idempotent. */
  close(): Promise<void>
}

/** Who is told how a call has ended. */
export interface Outcome {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** Statements on their way over one connection, each a transaction of its own, sent without awaiting the answers to those before. */
export interface Pipeline {
  /**
   * Sends a statement behind those in flight, by the arguments that `statement()` has made. Tells `done`, once, when the
   * connection is ready for what comes after it, however the statement has ended; with `NotSent` where it was never written.
   */
  send(args: readonly unknown[], done: Outcome): void
  /** Nothing is in flight, and nothing will be sent: the connection is as it was before. */
  end(): void
}

/** What the pool tells whoever opens a connection. */
export interface OpenContext {
  /** Aborted when the pool gives up this attempt (`connectTimeoutMs`): drop the socket. */
  readonly signal: AbortSignal
  /** The connection may be handed to other threads: open it so that `handover` can. */
  readonly mayHandOver?: boolean
}

/** What another thread needs to go on with a session: clonable. */
export interface Offer {
  /** Made for that thread, which owns it from then on. */
  readonly descriptor: number
  /** Tells the open file from any other that may bear its number meanwhile. */
  readonly identity: string
  /** For the other half's `openLane`. */
  readonly facts: unknown
}

/** How connections are handed to other threads (transport `direct`): all of them have a descriptor of the same socket, one of them reads. */
export interface Handover<C extends object> {
  /** Why it can't be done here, if it can't. */
  readonly obstacle: string | undefined
  /** The module that the other thread imports: a `LaneModule`. */
  readonly module: string
  /**
   * Makes a descriptor for another thread. Undefined: this connection was not opened for it, or this thread reads from it, or there
   * is no descriptor to be had.
   */
  offer(connection: C): Offer | undefined
  /** True while this thread reads from the connection; false as well for one that was not opened to be handed over. */
  isAttended(connection: C): boolean
  /** This thread reads from now on. */
  attend(connection: C): void
  /** This thread has stopped reading when this returns; false, and nothing was done: something is under way. */
  rest(connection: C): boolean
  /** Settles when nothing is under way any more. */
  settled(connection: C): Promise<void>
  /** Another thread has used the session, and has left it so. */
  resume(connection: C, inTransaction: boolean): void
  peek(connection: C): Peek
  /** A thread has died over the session: stops what it runs and ends it; settles when the server has closed it. */
  abandon(connection: C): Promise<void>
}

/**
 * All that the pool must know of one driver. A concrete database is the user's import, never ours.
 * `C` is the driver's connection. Optional members are abilities: the pool asks for them, never for a name.
 */
export interface Dialect<C extends object> {
  readonly name: string
  /** Opens a connection. Not called when the pool has a `creator`. `record` is where it will live. */
  connect?(record: unknown, context: OpenContext): MaybePromise<C>
  /** True: alive. False: disconnected, replace it and all of its age. Any other trouble is thrown (behaviours 167, 168). */
  ping?(connection: C): MaybePromise<boolean>
  /** Called with the fairy, so that what a proxy intercepts applies (behaviour 12). */
  rollback(fairy: C): MaybePromise<unknown>
  commit(fairy: C): MaybePromise<unknown>
  /** A polite goodbye. */
  close(connection: C): MaybePromise<unknown>
  /** An abrupt end, when nothing more may be said or awaited: after an invalidation or a death. Must not throw. */
  terminate?(connection: C): void
  /** Stops what the server is doing for this connection; settles when the server has taken note. */
  cancel?(connection: C): Promise<void>
  /** The text of what this call sends to the server, without any values; undefined: it is none. For `pool.holders()`. */
  textOf?(method: string | symbol, args: readonly unknown[]): string | undefined
  /** Is a call under way, or does somebody want to hear of what the server says by itself? For `detectDeadlocks`. */
  awaitsServer?(connection: C): boolean
  /** Does this error mean that the connection is gone? */
  isDisconnect?(error: unknown, connection: C | undefined): boolean
  /** Did this attempt to open fail because the database can't be reached, or takes no connections now? Then another may succeed later. */
  isUnreachable?(error: unknown): boolean
  /** Asked once for each connection: call `lost` when the driver learns by itself that it is gone. It is replaced at its next checkout. */
  watch?(connection: C, lost: () => void): void
  /** Is a transaction open? `undefined`: can't say now. A reset is skipped only on `false`. */
  inTransaction?(connection: C): boolean | undefined
  /** May the connection keep the process alive? It may while it is lent, and must not while it is idle. */
  keepAlive?(connection: C, on: boolean): void
  /** Begins to read the rows of a query in batches. */
  cursor?(connection: C, args: readonly unknown[]): MaybePromise<BatchReader>
  /**
   * Calls a method for another thread and tells `done`, once, when it has settled; false if it leaves that to the method's own
   * promise. For drivers whose callbacks cost less than their promises. May throw where the method does.
   */
  invoke?(connection: C, method: string, args: readonly unknown[], done: Outcome): boolean
  /** Absent: the coordinator runs the driver for all threads (transport `remote`). */
  readonly handover?: Handover<C>
  /**
   * The arguments of the connection's `query` for one statement that is a transaction of its own. Throws for a text that can't be
   * one, as it would change the session or need it again. Absent: `text` and `values`, whatever they are.
   */
  statement?(text: string, values: readonly unknown[]): readonly unknown[]
  /** Begins to send statements without awaiting their answers; nothing is under way on the connection, and it is the pool's own. */
  pipeline?(connection: C): Pipeline
  /** The methods that a worker may call when the coordinator runs the driver. Absent: every method, but for the forbidden names. */
  readonly methods?: readonly string[]
  /**
   * Looks at the arguments of a method, or of `cursor`, that another thread has sent, and returns what the driver may see of them;
   * throws for what could harm it. `weigh` throws for a value that is too large where it is written out. Absent: any arguments.
   */
  admit?(method: string, args: readonly unknown[], weigh: (value: unknown) => void): readonly unknown[]
  /** A result of rows, taken apart, so that what is the same in all results of a statement travels once; undefined for any other. */
  rowSet?(
    result: unknown,
  ): { readonly head: object; readonly fields: readonly object[]; readonly rows: readonly unknown[] } | undefined
  /** A result as it should travel to a worker: drivers hang parsers and functions on theirs, which can't be cloned. */
  toWire?(result: unknown): unknown
}
