import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg, { type ClientConfig } from 'pg'
import { pgBouncerVersion } from './pgbouncer.ts'

/** Where the figures were taken. */
export interface Machine {
  readonly system: string
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
}

/** What was measured, by the names of programs and packages. */
export type Versions = Readonly<Record<string, string>>

const packages = ['pg', 'pg-pool', 'comlink', 'tarn', 'generic-pool', 'lightning-pool']

export const machine = (): Machine => ({
  system: `${platform()} ${release()} ${arch()}`,
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
})

const require = createRequire(import.meta.url)

/** Of an installed package: not all let their `package.json` be required. */
function versionOf(name: string): string {
  const main = require.resolve(name)
  const folder = join('node_modules', name)
  return versionIn(main.slice(0, main.lastIndexOf(folder) + folder.length))
}

const versionIn = (folder: string): string =>
  (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { readonly version: string }).version

/** Asks the database for its own version: also the proof that it can be reached. */
export async function versions(database: ClientConfig): Promise<Versions> {
  const client = new pg.Client(database)
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly server_version: string }>('show server_version')
    return {
      fairypool: versionIn(fileURLToPath(new URL('../..', import.meta.url))),
      node: process.version,
      postgres: rows[0]?.server_version ?? 'unknown',
      pgbouncer: pgBouncerVersion(),
      ...Object.fromEntries(packages.map(name => [name, versionOf(name)])),
    }
  } finally {
    await client.end()
  }
}
