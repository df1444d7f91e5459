import { AsyncLocalStorage } from 'node:async_hooks'
import type { Loan } from '../fairies/loan.ts'

/** The loans that one task has taken. It holds loans, not fairies: a fairy that the task drops can still be collected. */
export type TaskScope = Set<Loan<object>>

let storage: AsyncLocalStorage<TaskScope> | undefined
let only: TaskScope | undefined

/** The scope of the task that runs now, if tasks are being watched. */
export const currentScope = (): TaskScope | undefined => only ?? storage?.getStore()

/**
 * Runs a task and returns what it left open. Where tasks run one at a time, a plain variable knows whose checkout it is;
 * async context tracking, which slows every promise of the thread on Node 20 and 22, is used only for tasks that overlap.
 */
export async function runScoped<T>(
  overlap: boolean,
  task: () => T | Promise<T>,
  left: (scope: TaskScope) => void,
): Promise<T> {
  const scope: TaskScope = new Set()
  try {
    if (overlap) {
      storage ??= new AsyncLocalStorage<TaskScope>()
      return await storage.run(scope, task)
    }
    only = scope
    return await task()
  } finally {
    if (only === scope) only = undefined
    left(scope)
  }
}
