import { once } from 'node:events'
import { type MessagePort, Worker } from 'node:worker_threads'
import { Unavailable } from './contender.ts'
import type { Excuse } from './thread.ts'

/** A thread that does one thing at a time as it is told, and answers. */
export class Hand<G = unknown> {
  /** What it said when it was ready. */
  readonly greeting: G
  readonly #worker: Worker
  /** Rejects when the thread has failed or ended: nobody waits for an answer for ever. */
  readonly #gone: Promise<never>

  private constructor(worker: Worker, gone: Promise<never>, greeting: G) {
    this.#worker = worker
    this.#gone = gone
    this.greeting = greeting
  }

  /** Starts a file of `workers/` with this `workerData`. @throws {Unavailable} the thread says that it can't take part. */
  static async start<G>(file: string, workerData: object, port?: MessagePort): Promise<Hand<G>> {
    const url = new URL(`../workers/${file}.js`, import.meta.url)
    const worker = new Worker(url, { workerData, transferList: port ? [port] : [] })
    const gone = endOf(worker)
    const [greeting] = (await Promise.race([gone, once(worker, 'message')])) as [G | Excuse]
    if (!isExcuse(greeting)) return new Hand(worker, gone, greeting)
    await worker.terminate()
    throw new Unavailable(greeting.unavailable)
  }

  async ask<A>(request: unknown): Promise<A> {
    this.#worker.postMessage(request)
    return this.heard<A>()
  }

  /** What the thread says next. */
  async heard<A>(): Promise<A> {
    const [said] = (await Promise.race([this.#gone, once(this.#worker, 'message')])) as [A]
    return said
  }

  /** Ends the thread in the middle of whatever it does. */
  async kill(): Promise<void> {
    await this.#worker.terminate()
  }
}

function endOf(worker: Worker): Promise<never> {
  const gone = new Promise<never>((_, reject) => {
    worker.once('error', reject)
    worker.once('exit', code => reject(new Error(`A thread of the bench has ended with ${code}.`)))
  })
  gone.catch(() => {})
  return gone
}

const isExcuse = (greeting: unknown): greeting is Excuse =>
  typeof greeting === 'object' && greeting !== null && 'unavailable' in greeting
