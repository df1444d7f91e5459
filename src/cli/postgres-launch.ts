import { chown, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresFolder } from './postgres-folder.ts'
import { PostgresProcess } from './postgres-process.ts'

const readyLine = 'database system is ready to accept connections'

/** Makes the data. Over the socket, which only the folder's owner (and root) can reach, no password is asked. */
export async function runInitdb(program: string, folder: PostgresFolder, password: string): Promise<void> {
  const passwordFile = join(folder.path, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (folder.account) await chown(passwordFile, folder.account.uid, folder.account.gid)
  const args = ['--username=postgres', `--pwfile=${passwordFile}`, '--auth-local=trust', '--auth-host=scram-sha-256']
  args.push('--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions', '-D', folder.data)
  // Files of the folder, not of /dev/shm, where a killed server or initdb would leave them.
  args.push('--set', 'dynamic_shared_memory_type=mmap')
  const initdb = new PostgresProcess(program, args, folder, 'SIGKILL')
  await initdb.reach(initdb.succeeded())
  await rm(passwordFile)
}

/** Runs the server; done when it accepts connections. From then on it does not keep this process's event loop alive. */
export async function launchServer(
  program: string,
  folder: PostgresFolder,
  settings: Readonly<Record<string, string>>,
  onLog?: (line: string) => void,
): Promise<PostgresProcess> {
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = new PostgresProcess(program, ['-D', folder.data, ...args], folder, 'SIGQUIT', onLog)
  await server.reach(server.logged(readyLine))
  server.unref()
  return server
}
