import { EventEmitter, once } from 'node:events'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import type { Failure } from './failure.ts'
import type { Order, Report, Script } from './worker-context.ts'

/** A script has failed in its worker. */
export class ScriptError extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(`In the worker: ${failure.stack}`)
    this.failure = failure
  }
}

interface Pending {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

/** A real thread that runs what a test tells it to. */
export class TestWorker {
  readonly thread: Worker
  /** The thread's exit code, once it is gone. */
  readonly exited: Promise<number>
  /** What killed it, if it did not just end. */
  error: Error | undefined
  readonly #said = new EventEmitter()
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  constructor(options: WorkerOptions = {}) {
    // Warnings are looked at, not printed.
    this.thread = new Worker(new URL('../workers/scripted.js', import.meta.url), {
      execArgv: ['--no-warnings'],
      ...options,
    })
    this.thread.on('message', (report: Report) => this.#receive(report))
    this.thread.on('error', error => {
      this.error = error instanceof Error ? error : new Error(String(error))
    })
    this.exited = new Promise(resolve => {
      this.thread.once('exit', code => {
        for (const { reject } of this.#pending.values())
          reject(new Error(`The worker has ended with exit code ${code}.`))
        this.#pending.clear()
        resolve(code)
      })
    })
  }

  get threadId(): number {
    return this.thread.threadId
  }

  /** Runs a function in the worker. Only its source text travels: it sees its parameters and globals, nothing of the test. */
  run<R, A extends readonly unknown[]>(script: Script<A, R>, ...args: A): Promise<Awaited<R>> {
    const id = ++this.#lastId
    const result = new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
    })
    this.#order({ id, source: script.toString(), args })
    return result as Promise<Awaited<R>>
  }

  /** Runs a function that the worker will not survive. */
  runToDeath<A extends readonly unknown[]>(script: Script<A, unknown>, ...args: A): void {
    this.run(script, ...args).catch(() => {})
  }

  /** The next word that a script says. */
  async hear(): Promise<unknown> {
    const [word] = await once(this.#said, 'said')
    return word as unknown
  }

  /** Lets the thread end by itself when it has nothing to do. */
  release(): void {
    this.#order({ id: 0, source: undefined, args: [] })
  }

  async terminate(): Promise<void> {
    await this.thread.terminate()
    await this.exited
  }

  #order(order: Order): void {
    this.thread.postMessage(order)
  }

  #receive(report: Report): void {
    if ('said' in report) return void this.#said.emit('said', report.said)
    const pending = this.#pending.get(report.id)
    this.#pending.delete(report.id)
    if ('failure' in report) pending?.reject(new ScriptError(report.failure))
    else pending?.resolve(report.result)
  }
}
