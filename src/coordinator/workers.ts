import { fileURLToPath } from 'node:url'
import { Piscina, queueOptionsSymbol, transferableSymbol, valueSymbol } from 'piscina'
import { ArgumentError } from '../base/errors.ts'
import type { Pool } from '../pool/pool.ts'
import type { TaskEnvelope } from '../protocol/task-envelope.ts'

/** Options of `new Piscina()`, as they are. */
export type WorkersOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>

type RunOptions = NonNullable<Parameters<Piscina['run']>[1]>

const taskRunner = fileURLToPath(new URL('../../workers/piscina-task.js', import.meta.url))

/** Piscina marks what `Piscina.move()` returns by a symbol of its own, which it does not export. */
const isMoved = (task: object): boolean =>
  Object.getOwnPropertySymbols(task).some(({ description }) => description === 'Piscina.kMovable')

/** A Piscina whose tasks run inside a scope that gives back the connections they forget. */
class PoolWorkers extends Piscina {
  readonly #overlap: boolean

  constructor(options: WorkersOptions) {
    super(options)
    this.#overlap = (options.concurrentTasksPerWorker ?? 1) > 1
  }

  override run(task: unknown, options: RunOptions = {}): Promise<unknown> {
    const filename = options.filename ?? this.options.filename
    // Without a file, Piscina's own error says best what is missing.
    if (typeof filename !== 'string') return super.run(task, options)
    const { value, transferList } = unwrap(task, options.transferList)
    const envelope: TaskEnvelope = {
      filename: filename.startsWith('file:') ? fileURLToPath(filename) : filename,
      name: options.name ?? this.options.name,
      overlap: this.#overlap,
      task: value,
    }
    // Priority queues look for this on the task itself.
    const queueOptions: unknown = Reflect.get(Object(task), queueOptionsSymbol)
    if (queueOptions !== undefined) Object.defineProperty(envelope, queueOptionsSymbol, { value: queueOptions })
    return super.run(envelope, {
      ...options,
      ...(transferList ? { transferList } : {}),
      filename: taskRunner,
      name: 'default',
    })
  }
}

/** What `Piscina.move()` has wrapped must be unwrapped here, or it would hide inside the envelope. */
function unwrap(
  task: unknown,
  transferList: RunOptions['transferList'],
): { value: unknown; transferList: RunOptions['transferList'] } {
  if (typeof task !== 'object' || task === null || !isMoved(task)) return { value: task, transferList }
  const moved = task as { readonly [transferableSymbol]: never; readonly [valueSymbol]: unknown }
  return { value: moved[valueSymbol], transferList: [...(transferList ?? []), moved[transferableSymbol]] }
}

/**
 * A Piscina whose workers share `pool`: a task says `const pool = await attach()`, from 'fairypool/worker'. A connection that a
 * task has left open goes back when the task ends, with a warning naming the task's file. The pool is shared if it was not yet.
 * @throws {ArgumentError} no pool; {InvalidRequestError} the pool is not shared, and the name 'default' is taken.
 */
export function createWorkers<C extends object>(pool: Pool<C>, options: WorkersOptions = {}): Piscina {
  if (typeof pool?.share !== 'function')
    throw new ArgumentError('createWorkers(pool, options): pool must be a pool of this thread.')
  if (typeof options !== 'object' || options === null)
    throw new ArgumentError('createWorkers(pool, options): options must be an object.')
  pool.share()
  return new PoolWorkers(options)
}
