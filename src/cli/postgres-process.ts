import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { asError } from '../base/errors.ts'
import { environment } from './postgres-account.ts'
import type { PostgresFolder } from './postgres-folder.ts'
import type { Quarry } from './postgres-watchdog.ts'

const startLimitMs = 60_000
const stopLimitMs = 5000
const portTakenLine = 'could not create any TCP/IP sockets'

/** Somebody else listens on the port; another one will do. */
export class PortTakenError extends Error {}

/** One run of a program, and of whatever that starts. */
export class PostgresProcess {
  readonly #name: string
  readonly #child: ChildProcess
  readonly #log: Readable
  readonly #lastLines: string[] = []
  readonly #awaited = new Map<string, () => void>()
  /** The log is at its end, hence all who could write to it are gone: the postmaster and every backend. */
  readonly #closed: Promise<void>
  readonly #failedToRun: Promise<never>

  constructor(
    program: string,
    args: readonly string[],
    folder: PostgresFolder,
    signalAtExit: Quarry['signal'],
    onLog?: (line: string) => void,
  ) {
    this.#name = basename(program)
    const child = spawn(program, args, {
      ...folder.account,
      cwd: folder.path,
      env: environment(folder.path),
      // Out of the terminal's reach: a Ctrl-C is for this process to answer, which may still have queries to finish.
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#child = child
    this.#log = child.stderr
    this.#closed = new Promise(resolve => child.once('close', () => resolve()))
    this.#failedToRun = new Promise((_, reject) => child.on('error', reject))
    this.#failedToRun.catch(() => {})
    if (child.pid !== undefined) {
      folder.watchdog.watch({ pid: child.pid, signal: signalAtExit })
      child.once('exit', () => folder.watchdog.watch(undefined))
    }
    createInterface({ input: child.stderr }).on('line', line => {
      this.#lastLines.push(line)
      if (this.#lastLines.length > 20) this.#lastLines.shift()
      for (const [text, found] of this.#awaited) if (line.includes(text)) found()
      onLog?.(line)
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get running(): boolean {
    return this.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Waits for the goal; a program that misses it, or needs over a minute, is killed and its last words are the error's. */
  async reach(goal: Promise<void>): Promise<void> {
    const reached = new AbortController()
    const tooLate = delay(startLimitMs, undefined, { signal: reached.signal }).then(() => {
      throw new Error(`${this.#name} was not ready after ${startLimitMs / 1000} s`)
    })
    try {
      await Promise.race([goal, this.#failedToRun, tooLate])
    } catch (error) {
      await this.kill()
      const words = [asError(error).message, ...this.#lastLines].join('\n  ')
      if (words.includes(portTakenLine)) throw new PortTakenError(words, { cause: error })
      throw new Error(words, { cause: error })
    } finally {
      reached.abort()
    }
  }

  /** Ended, and well. */
  async succeeded(): Promise<void> {
    await this.#closed
    if (this.#child.exitCode !== 0) throw this.#ended()
  }

  /** Has said so in its log. */
  logged(text: string): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#awaited.set(text, resolve)
      this.#closed.then(() => reject(this.#ended()))
    }).finally(() => this.#awaited.delete(text))
  }

  #ended(): Error {
    return new Error(`${this.#name} ended with ${this.#child.signalCode ?? `exit code ${this.#child.exitCode}`}`)
  }

  unref(): void {
    this.#child.unref()
    ;(this.#log as Socket).unref()
  }

  /** Fast shutdown: transactions are rolled back, clients sent away. On Windows, where there are no signals, a kill. */
  async stop(): Promise<void> {
    this.#child.kill('SIGINT')
    if (!(await this.#closedWithin(stopLimitMs))) await this.kill()
  }

  /** Backends notice by themselves that the postmaster is dead, save those deep in a computation: these get a second. */
  async kill(): Promise<void> {
    const backends = this.running ? childrenOf(this.#child.pid) : []
    this.#child.kill('SIGKILL')
    if (await this.#closedWithin(1000)) return
    for (const pid of backends) killIfAlive(pid)
    await this.#closedWithin(stopLimitMs)
  }

  async #closedWithin(ms: number): Promise<boolean> {
    // An awaited end has to keep the event loop alive, or the process would leave in the middle of it.
    this.#child.ref()
    ;(this.#log as Socket).ref()
    const closed = new AbortController()
    const late = delay(ms, false, { signal: closed.signal }).catch(() => false)
    const inTime = await Promise.race([this.#closed.then(() => true), late])
    closed.abort()
    return inTime
  }
}

/** Linux only; elsewhere nobody is known. */
function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has just gone.
  }
}
