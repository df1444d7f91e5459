import { AsyncLocalStorage } from 'node:async_hooks'
import type { Loan } from '../fairies/loan.ts'

/** The loans that one task has taken. It holds loans, not fairies: a fairy that the task drops can still be collected. */
export type TaskScope = Set<Loan<object>>

/** The scopes of the tasks that run now, each with its task's file. */
const running = new Map<TaskScope, string>()

/** The file of the task that has taken this loan, if one has. */
export function taskOf(loan: Loan<object>): string | undefined {
  for (const [scope, file] of running) if (scope.has(loan)) return file
  return undefined
}

let storage: AsyncLocalStorage<TaskScope> | undefined
let only: TaskScope | undefined

/** The scope of the task that runs now, if tasks are being watched. */
export const currentScope = (): TaskScope | undefined => only ?? storage?.getStore()

/**
 * Runs a task and returns what it left open. Where tasks run one at a time, a plain variable knows whose checkout it is;
 * async context tracking, which slows every promise of the thread on Node 20 and 22, is used only for tasks that overlap.
 */
export async function runScoped<T>(
  file: string,
  overlap: boolean,
  task: () => T | Promise<T>,
  left: (scope: TaskScope) => void,
): Promise<T> {
  const scope: TaskScope = new Set()
  running.set(scope, file)
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
    running.delete(scope)
  }
}
