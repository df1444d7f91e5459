import { randomBytes, randomInt } from 'node:crypto'
import { asError } from '../base/errors.ts'
import { locateBinaries, type PostgresBinaries, readyBinaries } from './postgres-binaries.ts'
import { makeFolder, type PostgresFolder } from './postgres-folder.ts'
import { launchServer, runInitdb } from './postgres-launch.ts'
import { PortTakenError, type PostgresProcess } from './postgres-process.ts'

/** A real PostgreSQL of one's own: empty, fast, forgetful, and gone when this Node process is gone, however that ends. */
export interface PostgresServer {
  /** `postgres://…` over loopback TCP (127.0.0.1). */
  readonly connectionString: string
  readonly port: number
  /** Folder of the Unix socket, where no password is asked; undefined on Windows. */
  readonly socketDir: string | undefined
  /** Of the postmaster; undefined while it does not run. */
  readonly pid: number | undefined
  /** Fast shutdown (after 5 s a kill); the data stay. */
  stop(): Promise<void>
  /** A crash: the postmaster gets SIGKILL; the data stay. */
  kill(): Promise<void>
  /** Runs it again on the same data and port. Does nothing while it runs. */
  start(): Promise<void>
  /** Stops it and removes its folder, data included. May be called again. */
  remove(): Promise<void>
}

export interface PostgresServerOptions {
  /** Default 100. */
  readonly maxConnections?: number
  /**
   * More server settings, as for `postgres -c`. Address, port and log target can't be changed; a `log_min_messages` of
   * `fatal` or `panic` hides the line by which the server says that it is ready.
   */
  readonly settings?: Readonly<Record<string, string>>
  /** Hears every line of the server's log. */
  readonly onLog?: (line: string) => void
}

/** There is no PostgreSQL to be had here; the message says why and what to do, `cause` is the failure itself. */
export class PostgresUnavailableError extends Error {
  readonly code = 'FAIRYPOOL_POSTGRES_UNAVAILABLE'
  constructor(cause: Error) {
    super(
      `PostgreSQL could not be started here: ${cause.message}\n` +
        'Name a running one instead: --database-url postgres://user:password@host:port/database, or DATABASE_URL.',
      { cause },
    )
  }
  override get name(): string {
    return 'PostgresUnavailableError'
  }
}

/** Makes a database in a temp folder and serves it on a free port. A failure is a PostgresUnavailableError and leaves nothing. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  try {
    return await createServer(options)
  } catch (error) {
    throw new PostgresUnavailableError(asError(error))
  }
}

async function createServer(options: PostgresServerOptions): Promise<PostgresServer> {
  const found = await locateBinaries()
  const folder = await makeFolder()
  try {
    const binaries = await readyBinaries(found, folder)
    const password = randomBytes(16).toString('hex')
    await runInitdb(binaries.initdb, folder, password)
    for (let tries = 1; ; tries++) {
      const server = new LocalServer(binaries, folder, password, options)
      try {
        await server.start()
        return server
      } catch (error) {
        if (!(asError(error).cause instanceof PortTakenError) || tries === 10) throw asError(error).cause
      }
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

class LocalServer implements PostgresServer {
  /** Below every system's range for outgoing connections: no client's own socket can take it while the server is down. */
  readonly port = randomInt(20_000, 32_768)
  readonly socketDir: string | undefined
  readonly connectionString: string
  readonly #binaries: PostgresBinaries
  readonly #folder: PostgresFolder
  readonly #options: PostgresServerOptions
  #process: PostgresProcess | undefined
  #lastStep: Promise<unknown> = Promise.resolve()

  constructor(binaries: PostgresBinaries, folder: PostgresFolder, password: string, options: PostgresServerOptions) {
    this.#binaries = binaries
    this.#folder = folder
    this.#options = options
    this.socketDir = process.platform === 'win32' ? undefined : folder.path
    this.connectionString = `postgres://postgres:${password}@127.0.0.1:${this.port}/postgres`
  }

  get pid(): number | undefined {
    return this.#process?.running ? this.#process.pid : undefined
  }

  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#folder.removed) throw new Error('this server has been removed')
      if (this.#process?.running) return
      try {
        this.#process = await launchServer(this.#binaries.postgres, this.#folder, this.#settings(), this.#options.onLog)
      } catch (error) {
        throw new PostgresUnavailableError(asError(error))
      }
    })
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => this.#process?.stop())
  }

  kill(): Promise<void> {
    return this.#inTurn(async () => this.#process?.kill())
  }

  remove(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#process?.stop()
      await this.#folder.remove()
    })
  }

  /** One step at a time: a stop that overtakes a start would leave a server nobody knows. */
  #inTurn(step: () => Promise<void>): Promise<void> {
    const done = this.#lastStep.then(step)
    this.#lastStep = done.catch(() => {})
    return done
  }

  /** The last word on a name counts: speed first, then the caller's, then what this file relies on. */
  #settings(): Record<string, string> {
    return {
      fsync: 'off',
      synchronous_commit: 'off',
      full_page_writes: 'off',
      timezone: 'UTC',
      log_timezone: 'UTC',
      max_connections: String(this.#options.maxConnections ?? 100),
      ...this.#options.settings,
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: this.socketDir ?? '',
      logging_collector: 'off',
      log_destination: 'stderr',
    }
  }
}
