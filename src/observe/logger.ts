/** Where the pool reports what no caller can be told: a failed reset, a driver that won't close. `console` and pino fit. */
export interface Logger {
  debug(message: string, error?: unknown): void
  info(message: string, error?: unknown): void
  warn(message: string, error?: unknown): void
  error(message: string, error?: unknown): void
}
