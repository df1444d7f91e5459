import { pathToFileURL } from 'node:url'
import { InvalidRequestError } from '../base/errors.ts'
import { warnOnce } from '../observe/warnings.ts'
import type { TaskEnvelope } from '../protocol/task-envelope.ts'
import { findTaskPorts } from './task-ports.ts'
import { runScoped, type TaskScope } from './task-scope.ts'

type Task = (task: unknown) => unknown

const tasks = new Map<string, Promise<Task>>()

/** Runs a task's function inside a scope; what it has left open goes back, whether it returned or threw. */
export async function runTask({ filename, name, overlap, task }: TaskEnvelope): Promise<unknown> {
  findTaskPorts()
  const run = await load(filename, name)
  return runScoped(
    filename,
    overlap,
    () => run(task),
    scope => giveBack(scope, filename),
  )
}

function giveBack(scope: TaskScope, filename: string): void {
  for (const loan of scope) {
    if (!loan.isOut) continue
    warnOnce(
      'FAIRYPOOL_TASK_LEFT_OPEN',
      filename,
      `A task of ${filename} has ended without closing its connection; it has been given back. Use pool.use(), or close() in a finally block.`,
    )
    void loan.end('task ended')
  }
}

function load(filename: string, name: string): Promise<Task> {
  const key = `${filename}/${name}`
  const loaded = tasks.get(key) ?? find(filename, name)
  tasks.set(key, loaded)
  return loaded
}

/** A function as Piscina finds it: the export of that name, of an ES module or a CommonJS one. */
async function find(filename: string, name: string): Promise<Task> {
  const module = (await import(pathToFileURL(filename).href)) as Record<string, unknown>
  const commonJs = Object(module.default) as Record<string, unknown>
  const found = [module[name], commonJs[name]].find(each => typeof each === 'function')
  if (found) return found as Task
  throw new InvalidRequestError(`${filename} exports no function '${name}'.`)
}
