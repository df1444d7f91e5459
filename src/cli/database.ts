import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pg, { type Client } from 'pg'
import { asError } from '../base/errors.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

/** The database can't be used; the message is for the user, and says what to do. */
export class DatabaseError extends Error {}

const connectTimeoutMs = 5000

/** A PostgreSQL, embedded or the user's, a schema of the demo's own in it, and a connection to look at both from outside. */
export class Database {
  /** Name of the schema, and the beginning of every application name, so that the server can be asked about us. */
  readonly schema: string = `fairypool_demo_${randomBytes(4).toString('hex')}`
  readonly kind: 'embedded' | 'given'
  readonly #server: PostgresServer | undefined
  readonly #url: string
  #control: Client | undefined
  #version = ''

  private constructor(server: PostgresServer | undefined, url: string) {
    this.kind = server ? 'embedded' : 'given'
    this.#server = server
    this.#url = url
  }

  /**
   * Opens one for as long as the work takes; whatever happens, nothing is left behind.
   * `connections`: how many the work will have open at a time, the watching one not counted.
   * @throws {AggregateError} the work has failed, and then the removal too.
   */
  static async use<T>(
    url: string | undefined,
    connections: number,
    work: (database: Database) => Promise<T>,
  ): Promise<T> {
    const server = url === undefined ? await startPostgres({ maxConnections: connections + 20 }) : undefined
    const database = new Database(server, url ?? server!.connectionString)
    let result: T
    try {
      await database.#prepare(connections)
      result = await work(database)
    } catch (error) {
      await database.#remove().catch(late => {
        throw new AggregateError([error, late])
      })
      throw error
    }
    await database.#remove()
    return result
  }

  get version(): string {
    return this.#version
  }

  /** The connection that watches. */
  get control(): Client {
    return this.#control!
  }

  /** What `pg` needs to connect under a name of the demo: `schema_role`. A name in the user's own URL must give way. */
  urlFor(role: string): string {
    const url = new URL(this.#url)
    url.searchParams.set('application_name', this.nameOf(role))
    return url.href
  }

  nameOf(role: string): string {
    return `${this.schema}_${role}`
  }

  async connect(role: string): Promise<Client> {
    const client = new pg.Client({
      connectionString: this.urlFor(role),
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
    })
    // A connection that dies while it is idle must not end the process; its next query fails.
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (cause) {
      const { hostname, port, pathname } = new URL(this.#url)
      const where = `${hostname || 'localhost'}:${port || 5432}${pathname}`
      const remedy = this.kind === 'given' ? ' Check the URL, or leave it out to have a PostgreSQL booted.' : ''
      throw new DatabaseError(`Can't connect to PostgreSQL at ${where}: ${reasonOf(cause)}.${remedy}`, { cause })
    }
  }

  /** How many connections of a role the server sees now. */
  async count(role: string): Promise<number> {
    return this.#number('select count(*) from pg_stat_activity where application_name = $1', [this.nameOf(role)])
  }

  async isAlive(pid: number): Promise<boolean> {
    return (await this.#number('select count(*) from pg_stat_activity where pid = $1', [pid])) > 0
  }

  /** How many connections of the demo are left at the server, this object's own not counted; a closed one may take a moment to go. */
  async leftovers(): Promise<number> {
    const count =
      'select count(*) from pg_stat_activity where starts_with(application_name, $1) and pid <> pg_backend_pid()'
    for (let tries = 0; ; tries++) {
      const left = await this.#number(count, [this.schema])
      if (left === 0 || tries === 100) return left
      await delay(50)
    }
  }

  /** An embedded server takes the schema with it. */
  async #remove(): Promise<void> {
    try {
      if (this.#control && !this.#server) await dropSchema(this.#control, this.schema)
    } finally {
      await this.#control?.end().catch(() => {})
      await this.#server?.remove()
    }
  }

  async #prepare(connections: number): Promise<void> {
    this.#control = await this.connect('control')
    const { rows } = await this.#control.query<{ server_version: string }>('show server_version')
    this.#version = rows[0]!.server_version
    await this.#checkRoom(connections)
    try {
      await this.#control.query(`create schema ${this.schema}`)
    } catch (cause) {
      throw new DatabaseError(`Can't create a schema in this database: ${reasonOf(cause)}.`, { cause })
    }
  }

  async #checkRoom(connections: number): Promise<void> {
    const room = await this.#number(
      `select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
         - (select count(*) from pg_stat_activity where backend_type = 'client backend')`,
      [],
    )
    if (room >= connections) return
    const remedy = 'lower --threads or --connections, or raise max_connections'
    throw new DatabaseError(
      `The demo opens ${connections} connections, and this server has room for ${room}: ${remedy}.`,
    )
  }

  async #number(text: string, values: unknown[]): Promise<number> {
    const { rows } = await this.control.query<unknown[]>({ text, values, rowMode: 'array' })
    return Number(rows[0]![0])
  }
}

/** A worker that was just ended may still hold locks there for a moment; not for ever. */
async function dropSchema(control: Client, schema: string): Promise<void> {
  try {
    await control.query(`set statement_timeout = '10s'; drop schema if exists ${schema} cascade`)
  } catch (cause) {
    const remedy = `drop it yourself: drop schema ${schema} cascade`
    throw new DatabaseError(`The demo's schema could not be removed (${reasonOf(cause)}); ${remedy}`, { cause })
  }
}

/** Node reports a host with several addresses as an error without a message. */
function reasonOf(error: unknown): string {
  const { message, errors, code } = asError(error) as Error & {
    readonly errors?: readonly Error[]
    readonly code?: string
  }
  return (message || errors?.map(each => each.message).join(', ') || code || 'no reason given').replace(/\.$/, '')
}
