import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What became of a process; `code` is its signal when it had to be killed. */
export interface FileRun {
  readonly code: unknown
  readonly output: string
  readonly errors: string
}

/** Runs a compiled file of `test/workers` in a process of its own, which has half a minute to end by itself. */
export function runFile(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<FileRun> {
  const file = fileURLToPath(new URL(`../workers/${name}.js`, import.meta.url))
  const options = { timeout: 30_000, killSignal: 'SIGKILL', env: { ...process.env, ...env } } as const
  return new Promise(resolve => {
    execFile(process.execPath, [file, ...args], options, (error, output, errors) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), output, errors })
    })
  })
}
