import type { ClientConfig } from 'pg'
import type { Measurement, Metric } from './metrics.ts'

/** What all contenders of a scenario have and do alike. */
export interface Terms {
  readonly threads: number
  /** To the database, in all. */
  readonly connections: number
  /** Loops that run at the same time in each thread. */
  readonly tasks: number
  /** In the answer to each query. */
  readonly rows: number
}

/** What a contender is asked to do in one round. */
export interface Plan extends Pick<Terms, 'tasks' | 'rows'> {
  readonly seconds: number
}

/** One way to do a scenario's work; started once, asked in every round. */
export interface Contender {
  /** What is known of it only now that it has started; shown after its name. */
  readonly detail?: string
  /** Rejects when an answer was wrong. */
  run(plan: Plan): Promise<Measurement>
  close(): Promise<void>
}

/** A contender that has not started yet. */
export interface Entrant {
  readonly name: string
  /** @throws {Unavailable} it can't take part, here and now. */
  open(database: ClientConfig, terms: Terms): Promise<Contender>
}

/** Why a contender does not take part: a notice, and no failure of the bench. */
export class Unavailable extends Error {}

/** One comparison on equal terms. */
export interface Scenario {
  /** Its key in the table of goals; scenarios without a goal of their own can have one in common. */
  readonly id: string
  /** P1 to P9. */
  readonly target: string
  readonly name: string
  readonly terms: Terms
  readonly metrics: readonly Metric[]
  readonly entrants: readonly Entrant[]
  /** Without a goal of its own: run only when asked for. */
  readonly isContext?: boolean
  /** Of a round, as a part of the length asked for. Default 1. */
  readonly length?: number
  /** How long each contender needs before it is as fast as it gets. Default 10. */
  readonly warmUpSeconds?: number
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

/** `4 threads × 8 tasks, 4 connections`; rows are named where they are many. */
export function termsText({ threads, connections, tasks, rows }: Terms): string {
  const work = `${counted(threads, 'thread')} × ${counted(tasks, 'task')}, ${counted(connections, 'connection')}`
  return rows === 1 ? work : `${work}, ${rows} rows`
}
