import { asError } from '../base/errors.ts'
import type { Logger } from '../index.ts'

const write = (message: string, error?: unknown): void => {
  process.stderr.write(`${message}${error === undefined ? '' : ` ${asError(error).message}`}\n`)
}

/** What a pool has to report, one line each: the demo ends with the reason if anything comes of it. */
export const lineLogger: Logger = { debug: () => {}, info: () => {}, warn: write, error: write }
