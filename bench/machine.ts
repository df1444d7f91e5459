import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'
import pg, { type ClientConfig } from 'pg'
import { pgBouncerVersion } from './pgbouncer.ts'

/** Where the figures were taken. */
export interface Machine {
  readonly system: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
}

/** What was measured. */
export interface Versions {
  readonly fairypool: string
  readonly node: string
  readonly pg: string
  readonly comlink: string
  readonly postgres: string
  readonly pgbouncer: string
}

export const machine = (): Machine => ({
  system: `${platform()} ${release()} ${arch()}`,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
})

/** Asks the database for its own version: also the proof that it can be reached. */
export async function versions(database: ClientConfig): Promise<Versions> {
  const require = createRequire(import.meta.url)
  const versionOf = (path: string): string => (require(path) as { readonly version: string }).version
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly server_version: string }>('show server_version')
    return {
      fairypool: versionOf('../../package.json'),
      node: process.version,
      pg: versionOf('pg/package.json'),
      comlink: versionOf('comlink/package.json'),
      postgres: rows[0]?.server_version ?? 'unknown',
      pgbouncer: pgBouncerVersion(),
    }
  } finally {
    await client.end()
  }
}
