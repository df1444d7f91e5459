import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * Gives back the System V segment of a server (or initdb) that was killed: the next start on the same data would do it, but there may
 * be none, and a system has few. One that ended in good order has done it itself and taken its pid file away.
 */
export function freeSharedMemory(pidFile: string): void {
  let lines: string[]
  try {
    lines = readFileSync(pidFile, 'utf8').split('\n')
  } catch {
    return
  }
  // The seventh line reads `key id`.
  const id = lines[6]?.trim().split(/\s+/)[1]
  if (id) spawnSync('ipcrm', ['-m', id], { stdio: 'ignore' })
}
