import type { Peek } from '../base/descriptors.ts'
import type { BatchReader, Pipeline } from './dialect.ts'

/**
 * One server session in the hands of one thread: a driver's own connection over a descriptor that the thread has duplicated.
 * Kept between leases; it reads only while its thread holds the lease.
 */
export interface Lane<C extends object = object> {
  readonly connection: C
  /** True while this thread reads. */
  readonly isAttended: boolean
  /** True when nothing is under way and no byte of an answer is to come: the lease may end. */
  readonly isAtRest: boolean
  /** True when the server's last word was that a transaction is open. */
  readonly inTransaction: boolean
  /** True once the driver has found that the session is gone. */
  readonly isBroken: boolean
  /** True while somebody wants to hear of what the server says by itself. */
  readonly isListened: boolean
  /** When the server was last known to be there: its last answer, or a look that found nothing wrong. By the wall clock; a jump of that costs or saves a look. */
  readonly seenAt: number
  /** Told once, when it has, and by what. */
  onBroken: ((error: Error) => void) | undefined
  /** This thread reads from now on. */
  attend(): void
  /** Something is begun: this thread reads, and it and `holder` live until the lane is at rest. */
  begin(holder: object): void
  /** Its lease goes on to another caller of this thread: nothing stays of what the last holder wanted, but this thread reads on. */
  changeHands(): void
  /** As the dialect's. */
  textOf(method: string | symbol, args: readonly unknown[]): string | undefined
  /** Stops reading, at once. Only when it is at rest, or broken, or about to be closed. */
  rest(): void
  /** Nothing was begun after all. */
  letGo(): void
  /** This thread reads, and lives, until the lane rests. */
  hold(): void
  /** Settles when the lane is at rest, or broken. */
  settled(): Promise<void>
  /** What is to be read. Where it is `talking`, this thread reads from then on: `ping()` before anything else. */
  peek(): Peek
  /** Asks the server for a sign of life. */
  ping(): Promise<boolean>
  /** Asks the server to stop what the session runs; settles when the server has taken note. */
  cancel(): Promise<void>
  cursor(args: readonly unknown[]): Promise<BatchReader>
  /** Begins to send statements without awaiting their answers, as in `Dialect`; as long as any is under way `holder` lives. */
  pipeline(holder: object): Pipeline
  /** Closes this thread's descriptor; the session lives on in the others. */
  close(): void
}

/** The other half of a dialect's `handover`: what its `module` exports. */
export interface LaneModule {
  /** As the dialect's. Absent: a lane has no pipeline, and the coordinator runs the statements of `pool.query()`. */
  readonly statement?: (text: string, values: readonly unknown[]) => readonly unknown[]
  /** A driver's connection over a connected socket's descriptor, which it owns from now on, failing or not. */
  openLane(descriptor: number, facts: unknown): Promise<Lane>
}
