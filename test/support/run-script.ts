import { execFile } from 'node:child_process'

/** What became of a script in a process of its own. */
export interface ScriptRun {
  readonly code: number | string
  readonly output: string
  readonly errors: string
  readonly elapsedMs: number
}

/** The URL of a compiled source file, as a script in another process imports it. */
export const sourceUrl = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href

/** Runs an ES module in a process of its own, and waits for it to end by itself; `timeoutMs` is when it is killed instead. */
export function runScript(source: string, timeoutMs = 20_000): Promise<ScriptRun> {
  const started = performance.now()
  const args = ['--expose-gc', '--input-type=module', '--eval', source]
  return new Promise(resolve => {
    execFile(process.execPath, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, output, errors) => {
      const code = error === null ? 0 : error.killed ? 'killed' : (error.code ?? 'unknown')
      resolve({ code, output, errors, elapsedMs: performance.now() - started })
    })
  })
}
