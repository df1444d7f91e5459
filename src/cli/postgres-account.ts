import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

/** A user of the system that is not root. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root; everybody else runs it as himself (undefined). initdb looks its user up in /etc/passwd. */
export async function unprivilegedAccount(): Promise<Account | undefined> {
  if (process.geteuid?.() !== 0) return undefined
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map(line => line.split(':'))
  for (const name of ['postgres', '_postgres', 'nobody']) {
    const user = users.find(fields => fields[0] === name)
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) }
  }
  throw new Error('PostgreSQL refuses to run as root, and this system has neither a user postgres nor nobody')
}

/** The surroundings of a program run by the account: nothing of ours may steer it (PGDATA, PGPORT, …), its messages are in English. */
export function environment(home: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/i.test(name))
  return { ...Object.fromEntries(inherited), HOME: home, LC_ALL: 'C' }
}

/** Runs a short command as the account. Rejects when it fails, can't be run at all, or takes longer than 10 s. */
export async function runAs(account: Account | undefined, program: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(program, args, { ...account, cwd: '/', env: environment('/'), timeout: 10_000 })
}
