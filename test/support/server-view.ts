import pg from 'pg'
import type { PostgresServer } from '../../src/cli/postgres-server.ts'

/** One session as the server sees it. */
export interface ServerSession {
  readonly pid: number
  readonly state: string
  readonly query: string
}

/** What the server knows, over a session of the test's own that it does not count. */
export class ServerView {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  static async of(server: PostgresServer): Promise<ServerView> {
    const client = new pg.Client({ connectionString: server.connectionString, application_name: 'observer' })
    client.on('error', () => {})
    await client.connect()
    return new ServerView(client)
  }

  /** All sessions but this one. */
  async sessions(): Promise<ServerSession[]> {
    const { rows } = await this.#client.query<ServerSession>(
      `select pid, state, query from pg_stat_activity
       where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`,
    )
    return rows
  }

  async pids(): Promise<number[]> {
    return (await this.sessions()).map(({ pid }) => pid)
  }

  async query<Row extends object>(text: string, values?: unknown[]): Promise<Row[]> {
    const { rows } = await this.#client.query<Row>(text, values)
    return rows
  }

  /** Ends a session as an administrator does, and returns once the server has forgotten it. */
  async terminate(pid: number): Promise<void> {
    await this.#client.query('select pg_terminate_backend($1, 10000)', [pid])
  }

  async close(): Promise<void> {
    await this.#client.end()
  }
}
