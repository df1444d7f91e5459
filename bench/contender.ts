import type { ClientConfig } from 'pg'

/** What every contender of a scenario is asked to do in one round. */
export interface Plan {
  readonly seconds: number
  /** Loops that run at the same time in each thread. */
  readonly tasks: number
}

/** What one round of one contender came to. */
export interface Measurement {
  readonly cyclesPerSecond: number
  /** How long one cycle took, in microseconds. */
  readonly p50: number
  readonly p99: number
  /** Processor time of this process, all its threads, for each cycle, in microseconds. The server's is not in it. */
  readonly cpu: number
}

/** One way to do a scenario's work; started once, asked in every round. */
export interface Contender {
  readonly name: string
  /** Rejects when an answer was wrong. */
  run(plan: Plan): Promise<Measurement>
  close(): Promise<void>
}

/** A quotient of two contenders' throughputs. `goal` null: for context only. */
export interface RatioGoal {
  readonly name: string
  readonly of: string
  readonly over: string
  readonly goal: number | null
}

/** One comparison on equal terms. */
export interface Scenario {
  /** Of design.md, section 10. */
  readonly target: string
  readonly name: string
  readonly tasks: number
  readonly ratios: readonly RatioGoal[]
  open(database: ClientConfig): Promise<readonly Contender[]>
}
