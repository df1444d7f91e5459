import { randomInt } from 'node:crypto'
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { runAs } from '../../src/cli/postgres-account.ts'
import { locateBinaries, readyBinaries } from '../../src/cli/postgres-binaries.ts'
import { makeFolder, type PostgresFolder } from '../../src/cli/postgres-folder.ts'
import { PostgresProcess } from '../../src/cli/postgres-process.ts'
import type { PostgresServer } from '../../src/cli/postgres-server.ts'

/**
 * A streaming replica of a server: a copy of its data, taken while it is stopped (the embedded PostgreSQL has no pg_basebackup), that
 * follows it over a replication connection until it is promoted. It answers queries meanwhile, and refuses to write.
 */
export class Standby {
  readonly port = randomInt(20_000, 32_768)
  readonly #folder: PostgresFolder
  readonly #connectionString: string
  #process: PostgresProcess | undefined

  private constructor(folder: PostgresFolder, primary: PostgresServer) {
    this.#folder = folder
    const { username, password } = new URL(primary.connectionString)
    this.#connectionString = `postgres://${username}:${password}@127.0.0.1:${this.port}/postgres`
  }

  /** The primary is stopped meanwhile, and runs again after it. */
  static async of(primary: PostgresServer): Promise<Standby> {
    const folder = await makeFolder()
    const standby = new Standby(folder, primary)
    try {
      await primary.stop()
      await runAs(folder.account, 'cp', '-a', join(primary.socketDir!, 'data'), folder.data)
      await primary.start()
      await standby.#follow(primary)
      return standby
    } catch (error) {
      await standby.remove()
      throw error
    }
  }

  /** Ends its following: from now on it is a primary itself. */
  promote(): Promise<unknown> {
    return this.query('select pg_promote(true, 30)')
  }

  async query<Row extends object>(text: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.#connectionString })
    await client.connect()
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }

  async remove(): Promise<void> {
    await this.#process?.stop()
    await this.#folder.remove()
  }

  async #follow(primary: PostgresServer): Promise<void> {
    const { data } = this.#folder
    const { username, password, port } = new URL(primary.connectionString)
    const conninfo = `host=127.0.0.1 port=${port} user=${username} password=${password}`
    // Files that exist keep their owner; the empty one is only looked for.
    await appendFile(join(data, 'postgresql.auto.conf'), `\nprimary_conninfo = '${conninfo}'\n`)
    await writeFile(join(data, 'standby.signal'), '')
    const { postgres } = await readyBinaries(await locateBinaries(), this.#folder)
    const settings = {
      fsync: 'off',
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: this.#folder.path,
      log_destination: 'stderr',
      logging_collector: 'off',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    this.#process = new PostgresProcess(postgres, ['-D', data, ...args], this.#folder, 'SIGQUIT')
    await this.#process.reach(this.#process.logged('ready to accept read-only connections'))
    this.#process.unref()
  }
}
