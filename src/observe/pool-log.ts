import { asError } from '../base/errors.ts'
import type { Logger } from './logger.ts'

/** How much a pool tells: failures and warnings only, what changes (`true`), or every checkout as well (`'debug'`). */
export type Echo = boolean | 'debug'

/**
 * A pool's log: the messages that upstream logs, at its levels (behaviours 296-304). A connection is named by a number that stays
 * with it. Messages are made only where they are told.
 */
export class PoolLog {
  readonly #logger: Logger
  readonly #echo: Echo
  readonly #name: string
  readonly #numbers = new WeakMap<object, number>()
  #lastNumber = 0

  constructor(logger: Logger, echo: Echo, name: string) {
    this.#logger = logger
    this.#echo = echo
    this.#name = name
  }

  get isDebug(): boolean {
    return this.#echo === 'debug'
  }

  /** The number of a connection. */
  number(connection: object | undefined): number | undefined {
    if (connection === undefined) return undefined
    const known = this.#numbers.get(connection)
    if (known !== undefined) return known
    this.#numbers.set(connection, ++this.#lastNumber)
    return this.#lastNumber
  }

  debug(message: (number: (connection: object | undefined) => string) => string): void {
    if (this.#echo === 'debug') this.#tell('debug', message(this.#named))
  }

  info(message: (number: (connection: object | undefined) => string) => string): void {
    if (this.#echo !== false) this.#tell('info', message(this.#named))
  }

  warn(message: string, error?: unknown): void {
    this.#tell('warn', message, error)
  }

  error(message: string, error?: unknown): void {
    this.#tell('error', message, error)
  }

  readonly #named = (connection: object | undefined): string => `connection ${this.number(connection) ?? '(none)'}`

  /** A logger that fails must not cost a connection its way home, and there is nobody else to be told. */
  #tell(level: keyof Logger, message: string, error?: unknown): void {
    const text = `${this.#name}: ${message}`
    try {
      if (error === undefined) this.#logger[level](text)
      else if (isPino(this.#logger)) this.#logger[level]({ err: error } as unknown as string, text)
      else this.#logger[level](text, error)
    } catch {}
  }
}

/** Pino takes the object first; given a text first, it would drop the error. */
const isPino = (logger: Logger): boolean => typeof (logger as { readonly bindings?: unknown }).bindings === 'function'

/** Why something was done, as a tail of a message: the error's class and text, where there is one. */
export function reasonOf(error: unknown): string {
  if (error === undefined || error === null) return ''
  const { message } = asError(error)
  return error instanceof Error ? ` (reason: ${error.constructor.name}: ${message})` : ` (reason: ${message})`
}
