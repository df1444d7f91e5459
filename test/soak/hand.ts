import { Worker } from 'node:worker_threads'
import type { Fault } from './player.ts'

export interface HandData {
  readonly seed: number
  /** Its player's. */
  readonly number: number
  readonly tasks: number
  readonly tally: SharedArrayBuffer
}

export type ToHand = 'play' | 'rest' | 'exit' | 'throw'
export type FromHand = 'ready' | { readonly heap: number } | { readonly fault: Fault }

/** How a thread can end. */
export const deaths = ['terminate', 'exit', 'throw'] as const
export type Death = (typeof deaths)[number]

/** One of the threads of a soak. It is at work once it is ready, and its death is a fault unless it was killed. */
export class Hand {
  readonly number: number
  readonly exited: Promise<void>
  readonly #worker: Worker
  readonly #ready: Promise<unknown>
  #state: 'alive' | 'killed' = 'alive'

  constructor(data: HandData, onFault: (fault: Fault) => void) {
    this.number = data.number
    const worker = new Worker(new URL('../workers/soak.js', import.meta.url), {
      workerData: data,
      execArgv: ['--no-warnings'],
    })
    this.#worker = worker
    this.#ready = this.#hear(word => word === 'ready')
    worker.on('message', (word: FromHand) => {
      if (typeof word === 'object' && 'fault' in word) onFault(word.fault)
    })
    worker.on('error', error => {
      if (error.message !== 'on purpose') onFault({ chore: `thread ${data.number}`, text: `${error.stack}` })
    })
    this.exited = new Promise(resolve => {
      worker.once('exit', code => {
        if (this.isAlive) onFault({ chore: `thread ${data.number}`, text: `It has ended with code ${code}.` })
        resolve()
      })
    })
  }

  get isAlive(): boolean {
    return this.#state === 'alive'
  }

  /** Once it has used the pool. */
  async play(): Promise<void> {
    await this.#ready
    this.#worker.postMessage('play' satisfies ToHand)
  }

  /** Settles when all its work has ended and its garbage is collected: with the bytes of its heap. */
  async rest(): Promise<number> {
    await this.#ready
    const rested = this.#hear(word => typeof word === 'object' && 'heap' in word)
    this.#worker.postMessage('rest' satisfies ToHand)
    return ((await rested) as { heap: number }).heap
  }

  async kill(death: Death): Promise<void> {
    this.#state = 'killed'
    if (death === 'terminate') await this.#worker.terminate()
    else this.#worker.postMessage(death satisfies ToHand)
    await this.exited
  }

  /** The next word of this kind; none is awaited of the dead. */
  #hear(isIt: (word: FromHand) => boolean): Promise<FromHand | undefined> {
    const worker = this.#worker
    return new Promise(resolve => {
      const listen = (word: FromHand): void => {
        if (isIt(word)) end(word)
      }
      const end = (word?: FromHand): void => {
        worker.off('message', listen)
        worker.off('exit', leave)
        resolve(word)
      }
      const leave = (): void => end()
      worker.on('message', listen)
      worker.on('exit', leave)
    })
  }
}
