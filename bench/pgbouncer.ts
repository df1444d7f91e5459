import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { chown, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import pg, { type ClientConfig } from 'pg'
import { makeFolder, type PostgresFolder } from '../src/cli/postgres-folder.ts'
import { PostgresProcess } from '../src/cli/postgres-process.ts'
import { Unavailable } from './contender.ts'

/** When a server connection goes back to PgBouncer's pool: with its client, or after each transaction. */
export type BouncerMode = 'session' | 'transaction'

/** A PgBouncer of one's own, in front of the database. */
export interface PgBouncer {
  /** Connects to it instead. */
  readonly config: ClientConfig
  /** Its clients are cut off, and another one is there at the same place. */
  restart(): Promise<void>
  close(): Promise<void>
}

interface Program {
  readonly path: string
  readonly version: string
}

const oldest = [1, 18] as const
/** Nobody listens there: the port is only a part of the socket's name. */
const port = 6432

/** The PATH, and where Debian puts what only root should run. */
const usualFolders = (): readonly string[] => [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']

/** Undefined: not installed. */
function locate(folders: readonly string[]): Program | undefined {
  const path = folders.map(folder => join(folder, 'pgbouncer')).find(isExecutable)
  if (path === undefined) return undefined
  const said = execFileSync(path, ['--version'], { encoding: 'utf8' })
  return { path, version: /PgBouncer (\S+)/.exec(said)?.[1] ?? 'unknown' }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export const pgBouncerVersion = (): string => locate(usualFolders())?.version ?? 'not installed'

/**
 * In transaction mode where nothing else is said, over a Unix socket on both sides where the database has one, run by a user who is not root, from a folder of its own
 * that goes with it. @throws {Unavailable} it is not installed, or too old.
 */
export async function startPgBouncer(
  database: ClientConfig,
  connections: number,
  mode: BouncerMode = 'transaction',
  folders: readonly string[] = usualFolders(),
): Promise<PgBouncer> {
  const program = locate(folders)
  if (program === undefined) throw new Unavailable('PgBouncer is not installed (apt-get install pgbouncer)')
  const [major = 0, minor = 0] = program.version.split('.').map(Number)
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    throw new Unavailable(`PgBouncer ${program.version} is older than ${oldest.join('.')}`)
  const folder = await makeFolder()
  try {
    const file = await writeConfig(folder, database, connections, mode)
    const start = async (): Promise<PostgresProcess> => {
      const started = new PostgresProcess(program.path, [file], folder, 'SIGKILL')
      await started.reach(started.logged('process up'))
      started.unref()
      return started
    }
    let bouncer = await start()
    return {
      config: { host: folder.path, port, user: 'bench', database: 'bench' },
      async restart() {
        await bouncer.kill()
        bouncer = await start()
      },
      async close() {
        await bouncer.stop()
        await folder.remove()
      },
    }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

/** For nobody else's eyes: it may hold a password. */
async function writeConfig(
  folder: PostgresFolder,
  database: ClientConfig,
  connections: number,
  mode: BouncerMode,
): Promise<string> {
  const { host, port: databasePort, user, password, database: name, ssl } = new pg.Client(database)
  const parts = { host, port: databasePort, dbname: name, user, password }
  const target = Object.entries(parts)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key}='${String(value).replaceAll("'", "''")}'`)
  const settings = {
    listen_addr: '',
    listen_port: port,
    unix_socket_dir: folder.path,
    // Whoever reaches the socket is the bench: only the folder's owner and root can.
    auth_type: 'any',
    pool_mode: mode,
    default_pool_size: connections,
    max_client_conn: 1000,
    server_tls_sslmode: ssl ? 'require' : 'disable',
    log_connections: 0,
    log_disconnections: 0,
  }
  const lines = ['[databases]', `bench = ${target.join(' ')}`, '[pgbouncer]']
  lines.push(...Object.entries(settings).map(([key, value]) => `${key} = ${value}`), '')
  const file = join(folder.path, 'pgbouncer.ini')
  await writeFile(file, lines.join('\n'), { mode: 0o600 })
  if (folder.account) await chown(file, folder.account.uid, folder.account.gid)
  return file
}
