import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { asError } from '../base/errors.ts'
import { type Account, runAs, unprivilegedAccount } from './postgres-account.ts'
import { freeSharedMemory } from './postgres-shared-memory.ts'
import { startWatchdog, type Watchdog } from './postgres-watchdog.ts'

/** The server's home: data, socket and, where needed, a copy of the programs. Private to the user who runs them. */
export interface PostgresFolder {
  readonly path: string
  readonly data: string
  /** Who runs the programs and owns the folder; undefined means whoever runs this process. */
  readonly account: Account | undefined
  readonly watchdog: Watchdog
  readonly removed: boolean
  /** May be called again. Nothing may be running in it. */
  remove(): Promise<void>
}

/** Under the system's temp folder; under /tmp where that one is too long for a socket's path or closed to the account. */
export async function makeFolder(): Promise<PostgresFolder> {
  const account = await unprivilegedAccount()
  const parents = new Set([resolve(tmpdir()), ...(process.platform === 'win32' ? [] : ['/tmp'])])
  const refusals: string[] = []
  for (const parent of parents) {
    try {
      return new TempFolder(await makeIn(parent, account), account)
    } catch (error) {
      refusals.push(`${parent}: ${asError(error).message}`)
    }
  }
  throw new Error(`there is no temp folder to use (${refusals.join('; ')})`)
}

async function makeIn(parent: string, account: Account | undefined): Promise<string> {
  const longestSocket = join(parent, 'fairypool-pg-XXXXXX', '.s.PGSQL.32767')
  if (process.platform !== 'win32' && Buffer.byteLength(longestSocket) >= 100) {
    throw new Error('its path is too long for a Unix socket')
  }
  const path = await mkdtemp(join(parent, 'fairypool-pg-'))
  try {
    if (account) {
      await chown(path, account.uid, account.gid)
      await runAs(account, '/bin/sh', '-c', 'test -w "$1"', 'sh', path).catch(cause => {
        throw new Error(`user ${account.uid} can't write there (${asError(cause).message.trim()})`, { cause })
      })
    }
    return path
  } catch (error) {
    await rm(path, { recursive: true, force: true })
    throw error
  }
}

class TempFolder implements PostgresFolder {
  readonly path: string
  readonly data: string
  readonly account: Account | undefined
  readonly watchdog: Watchdog
  removed = false
  readonly #pidFile: string

  constructor(path: string, account: Account | undefined) {
    this.path = path
    this.data = join(path, 'data')
    this.account = account
    this.#pidFile = join(this.data, 'postmaster.pid')
    this.watchdog = startWatchdog(path, this.#pidFile, account)
  }

  async remove(): Promise<void> {
    if (this.removed) return
    freeSharedMemory(this.#pidFile)
    await rm(this.path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
    this.watchdog.dismiss()
    this.removed = true
  }
}
