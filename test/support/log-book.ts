import type { Logger } from '../../src/observe/logger.ts'

/** A logger that keeps all that it is told, at all levels. */
export class LogBook implements Logger {
  /** What came with the lines, where something did. */
  readonly errors: unknown[] = []
  #lines: string[] = []

  debug(message: string, error?: unknown): void {
    this.#keep('debug', message, error)
  }
  info(message: string, error?: unknown): void {
    this.#keep('info', message, error)
  }
  warn(message: string, error?: unknown): void {
    this.#keep('warn', message, error)
  }
  error(message: string, error?: unknown): void {
    this.#keep('error', message, error)
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  /** The lines since they were last taken, as `level: message`, without the name of a `QueuePool`; of one level only, if so wanted. */
  take(level = ''): string[] {
    const lines = this.#lines.splice(0).filter(line => line.startsWith(level))
    return lines.map(line => line.replace(': fairypool.QueuePool:', ':'))
  }

  #keep(level: string, message: string, error: unknown): void {
    this.#lines.push(`${level}: ${message}`)
    if (error !== undefined) this.errors.push(error)
  }
}
