import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Account } from './postgres-account.ts'
import { freeSharedMemory } from './postgres-shared-memory.ts'

/** What to end, and how, if this process ends now. */
export interface Quarry {
  readonly pid: number
  readonly signal: 'SIGQUIT' | 'SIGKILL'
}

/**
 * Sees to it that neither server nor folder outlives this Node process (or worker thread). Whoever leaves in good order, by
 * `process.exit` or with an empty event loop, cleans up in an `exit` handler. Whoever is ended by a signal, SIGKILL included, has no
 * such moment: there a small shell, which reads from a pipe of this process until it breaks, does the same. So no signal
 * handler is installed, and the app's own mean what they always meant.
 */
export interface Watchdog {
  /** From now on this is what runs; undefined: nothing does. */
  watch(quarry: Quarry | undefined): void
  /** There is nothing left to clean up. */
  dismiss(): void
}

export function startWatchdog(folder: string, pidFile: string, account: Account | undefined): Watchdog {
  const shell = startShell(folder, pidFile, account)
  let quarry: Quarry | undefined
  const onExit = () => {
    if (quarry) endNow(quarry, pidFile)
    freeSharedMemory(pidFile)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    shell?.kill('SIGKILL')
  }
  process.on('exit', onExit)
  return {
    watch(next) {
      quarry = next
      shell?.stdin?.write(next ? `${next.signal.slice(3)} ${target(next)}\n` : '\n')
    },
    dismiss() {
      process.off('exit', onExit)
      shell?.kill('SIGKILL')
    },
  }
}

/**
 * Does in shell what the exit handler does: the last line read says what to end, `signal pid` or nothing; $1 is the folder, $2 the
 * pid file. The file, not the process, is waited for: that one may stay a zombie until its new parent finds the time.
 */
const shellScript = `
  while read -r signal pid; do last_signal=$signal last_pid=$pid; done
  if [ -n "$last_pid" ] && kill -s "$last_signal" -- "$last_pid"; then
    tenths=0
    while [ "$last_signal" = QUIT ] && [ -e "$2" ] && [ $tenths -lt 40 ]; do sleep 0.1; tenths=$((tenths + 1)); done
    kill -s KILL -- "$last_pid"
  fi
  segment=$(sed -n '7s/.* //p' "$2") && [ -n "$segment" ] && ipcrm -m "$segment"
  rm -rf -- "$1" || { sleep 0.2; rm -rf -- "$1"; }`

/** In a session of its own, like the server: a Ctrl-C in the terminal is for this process to answer. */
function startShell(folder: string, pidFile: string, account: Account | undefined): ChildProcess | undefined {
  if (process.platform === 'win32') return undefined
  const shell = spawn('/bin/sh', ['-c', shellScript, 'fairypool-watchdog', folder, pidFile], {
    ...account,
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // No shell, or one that was killed: the exit handler is still there.
  shell.on('error', () => {})
  shell.stdin.on('error', () => {})
  shell.unref()
  ;(shell.stdin as Socket).unref()
  return shell
}

/** Everything is started as leader of its own process group: initdb's helpers are in it; a postmaster ends its own. */
const target = ({ pid }: Quarry) => (process.platform === 'win32' ? pid : -pid)

/** An exit handler can't await: while the postmaster lets go of its shared memory and, last, of its pid file, this thread sleeps. */
function endNow(quarry: Quarry, pidFile: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  try {
    process.kill(target(quarry), quarry.signal)
    const patienceMs = quarry.signal === 'SIGQUIT' ? 4000 : 0
    for (let ms = 0; ms < patienceMs && existsSync(pidFile); ms += 5) Atomics.wait(pause, 0, 0, 5)
    process.kill(target(quarry), 'SIGKILL')
  } catch {
    // It was gone already.
  }
}
