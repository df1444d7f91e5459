import type { Client } from 'pg'
import type { PgField } from './pg-empty-row.ts'

/** What the driver keeps but does not declare; each use says what for. */
export interface ClientInside {
  processID: number
  secretKey: number
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly ssl: unknown
  readonly binary: boolean
  password: unknown
  readonly connectionParameters: { readonly query_timeout?: number | false; password: unknown }
  /** False between a query's first byte and the server's ReadyForQuery. */
  readonly readyForQuery: boolean
  readonly _activeQuery: object | null
  readonly _queryQueue: readonly object[]
  readonly _sentQueryQueue: readonly object[]
  /** I, T or E, from the last ReadyForQuery. */
  _txStatus: string | null
  getTransactionStatus(): string | null
  ref(): void
  unref(): void
  readonly connection: PgConnection
}

/** The protocol half of a client. */
export interface PgConnection {
  readonly stream: { destroy(): void }
  parse(query: { readonly name?: string }, more?: boolean): void
  bind(config: { readonly statement?: string }, more?: boolean): void
  describe(message: { readonly type: string; readonly name?: string }, more?: boolean): void
  close(message: { readonly type: string; readonly name?: string }, more?: boolean): void
  on(event: 'parameterStatus', listener: (message: ParameterStatus) => void): void
  on(event: 'errorMessage', listener: (error: Error) => void): void
  /** How the columns of the rows that follow are described. */
  on(event: 'rowDescription', listener: (message: RowDescription) => void): void
  off(event: 'rowDescription', listener: (message: RowDescription) => void): void
  listeners(event: 'rowDescription'): ((message: RowDescription) => void)[]
}

/** The columns of the rows that follow. */
export interface RowDescription {
  readonly fields: readonly PgField[]
}

/** A setting of the session that the server reports. */
export interface ParameterStatus {
  readonly parameterName: string
  readonly parameterValue: string
}

export const inside = (client: Client): ClientInside => client as unknown as ClientInside

/** True when the driver has nothing to send and waits for nothing. */
export function isDriverAtRest(client: Client): boolean {
  const { readyForQuery, _activeQuery, _queryQueue, _sentQueryQueue } = inside(client)
  return readyForQuery && !_activeQuery && _queryQueue.length === 0 && _sentQueryQueue.length === 0
}
