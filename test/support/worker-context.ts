import type { attach } from '../../src/worker/attach.ts'
import type { Failure } from './failure.ts'
import type { TestWorker } from './test-worker.ts'

/** What a script gets that runs in a scripted worker: it has nothing else, for only its source text travels. */
export interface WorkerContext {
  readonly attach: typeof attach
  /** How a piece of work fails here. */
  failureOf(work: () => unknown): Promise<Failure>
  /** Keeps something for later scripts of this worker. */
  keep<T>(name: string, value: T): T
  /** What an earlier script has kept. */
  kept<T>(name: string): T
  /** Keeps it no longer. */
  drop(name: string): void
  /** Tells the spawning thread something while the script still runs. */
  say(word: unknown): void
  /** A module, by package name or by URL relative to `test/workers`. */
  load(specifier: string): Promise<unknown>
  require(specifier: string): unknown
  /** Collects garbage, and lets finalizers run. */
  collect(): Promise<void>
  /** Another scripted worker, of this one. */
  spawn(): Promise<TestWorker>
  /** The process warnings of this thread so far. */
  readonly warnings: readonly { readonly code: unknown; readonly message: string; readonly detail: unknown }[]
}

export type Script<A extends readonly unknown[], R> = (context: WorkerContext, ...args: A) => R

/** To a scripted worker; `source` undefined: hold the thread no longer. */
export interface Order {
  readonly id: number
  readonly source: string | undefined
  readonly args: readonly unknown[]
}

/** From a scripted worker. */
export type Report =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly failure: Failure }
  | { readonly said: unknown }
