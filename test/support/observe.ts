import { setImmediate as turn } from 'node:timers/promises'
import { onTestFinished, vi } from 'vitest'
import { letGo } from '../../src/fairies/lost-fairies.ts'
import type { Logger } from '../../src/observe/logger.ts'
import type { PoolStatus } from '../../src/observe/status.ts'

/** A logger that keeps what it is told: `lines` are `level: message`, `errors` what came with them. */
export class MemoryLogger implements Logger {
  readonly lines: string[] = []
  readonly errors: unknown[] = []

  debug(): void {}
  info(): void {}
  warn(message: string, error?: unknown): void {
    this.#keep('warn', message, error)
  }
  error(message: string, error?: unknown): void {
    this.#keep('error', message, error)
  }

  #keep(level: string, message: string, error: unknown): void {
    this.lines.push(`${level}: ${message}`)
    this.errors.push(error)
  }
}

/** The process warnings given during this test, by code. */
export function watchWarnings(): string[] {
  const codes: string[] = []
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation((_message, options) => {
    codes.push(String((options as { code?: unknown } | undefined)?.code))
  })
  onTestFinished(() => spy.mockRestore())
  return codes
}

/** `[poolSize, checkedin, overflow, checkedout]`, as SQLAlchemy's tests write it. */
export function countsOf(pool: { status(): PoolStatus }): [number, number, number, number] {
  const { poolSize, checkedin, overflow, checkedout } = pool.status()
  return [poolSize, checkedin, overflow, checkedout]
}

/** Lets everything run that is ready to: some turns of the event loop. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i++) await turn()
}

/** How a promise stands after all that is ready has run. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'fulfilled' | 'rejected'> {
  let state: 'pending' | 'fulfilled' | 'rejected' = 'pending'
  promise.then(
    () => {
      state = 'fulfilled'
    },
    () => {
      state = 'rejected'
    },
  )
  await settle()
  return state
}

/** How a promise fails; it must. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome) return outcome.error
  throw new Error(`Expected a failure, got ${String(outcome.value)}`)
}

/** Collects garbage until `done`; finalizers run in turns of their own. */
export async function collectUntil(done: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !done(); i++) {
    // Where time stands still, nobody else does.
    letGo()
    globalThis.gc!()
    await turn()
  }
}
