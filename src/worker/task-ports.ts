import { MessagePort, parentPort } from 'node:worker_threads'

/** Not declared by Node's types: the handles that keep this thread's event loop alive. */
interface Handles {
  _getActiveHandles?(): readonly unknown[]
}

let ports: readonly MessagePort[] | undefined

/**
 * Call it before a task of Piscina's begins, while no other runs: what keeps the thread alive then is Piscina's two ports, by which
 * nothing comes but tasks. Where there is more, nobody can tell which are Piscina's, and it is tried again before the next.
 */
export function findTaskPorts(): void {
  if (ports !== undefined || parentPort === null) return
  const handles = (process as Handles)._getActiveHandles?.() ?? []
  const found = handles.filter(handle => handle instanceof MessagePort)
  if (handles.length === 2 && found.length === 2 && found.includes(parentPort)) ports = found
}

/** The ports of this thread by which only tasks come. */
export const taskPorts = (): readonly MessagePort[] => ports ?? []
