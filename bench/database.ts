import type { ClientConfig } from 'pg'
import { startPostgres } from '../src/cli/postgres-server.ts'

/** A database for the bench, and its end. */
export interface BenchDatabase {
  readonly config: ClientConfig
  close(): Promise<void>
}

/** The user's own, or an embedded server, over its Unix socket where there is one. */
export async function openDatabase(url: string | undefined): Promise<BenchDatabase> {
  if (url !== undefined) return { config: { connectionString: url }, close: async () => {} }
  const server = await startPostgres({ maxConnections: 400 })
  const { socketDir, port, connectionString } = server
  return {
    config:
      socketDir === undefined
        ? { connectionString }
        : { host: socketDir, port, user: 'postgres', database: 'postgres' },
    close: () => server.remove(),
  }
}
