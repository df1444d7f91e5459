import { setImmediate as turn } from 'node:timers/promises'
import v8 from 'node:v8'
import vm from 'node:vm'
import { monotonicMs } from './clock.ts'

type Collect = () => void

let known: Collect | undefined

/**
 * V8's own `gc()`, a full mark-sweep of this thread's heap, also where Node was started without `--expose-gc`. Undefined: this
 * runtime has none.
 *
 * The flag gives it to new contexts, so one is made. Flags are the whole process's: with this one up, every thread that starts
 * later has a global `gc`, and code caches made before are refused. So it goes down again, unless somebody else has raised it.
 */
export function garbageCollector(): Collect | undefined {
  // Another thread that does the same may lower the flag before the context is made here.
  for (let tries = 0; known === undefined && tries < 10; tries++) {
    known = fromNewContext()
    if (known !== undefined) break
    v8.setFlagsFromString('--expose-gc')
    known = fromNewContext()
    v8.setFlagsFromString('--no-expose-gc')
  }
  return known
}

/** Collects this thread's garbage, and settles once its finalizers have run. Returns for how many milliseconds the thread stood still. */
export async function collectGarbage(): Promise<number> {
  const collect = garbageCollector()
  if (collect === undefined) return 0
  // What this turn of the loop has touched lives until its end.
  await turn()
  const from = monotonicMs()
  collect()
  const pauseMs = monotonicMs() - from
  // Finalizers are a task of their own, in the next turn; those of a second registry may be another.
  await turn()
  await turn()
  return pauseMs
}

const fromNewContext = (): Collect | undefined =>
  vm.runInNewContext("typeof gc === 'function' ? gc : undefined") as Collect | undefined
