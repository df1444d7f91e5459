import type { Client } from 'pg'
import { InvalidRequestError } from '../base/errors.ts'
import { isTemporary, Vetting, wordsOf } from './pg-words.ts'

/**
 * How a pooler between this process and the server, such as PgBouncer, lends its connections: as long as a client of it is connected,
 * or for one transaction at a time, so that nothing of a session lasts beyond that.
 */
export type PgPooler = 'session' | 'transaction'

/** Statements whose effect would stay in a session that others get next, and be missing in the one that this caller gets. */
const lasting = new Set(['listen', 'unlisten', 'load', 'reset', 'discard', 'prepare', 'execute', 'deallocate'])

/** What `set` may be followed by: these end with the transaction. */
const settings = new Set(['local', 'transaction', 'constraints'])

const sessionLocks = /\bpg_(?:try_)?advisory_(?:un)?lock/i
const goesWithTransaction = /\bon\s+commit\s+drop\b/i
const staysOpen = /\bwith\s+hold\b/i

const vetting = new Vetting(text => {
  const words = wordsOf(text)
  const first = words.next().value ?? ''
  if (lasting.has(first)) throw refusal(first)
  if (first === 'set' && !settings.has(words.next().value ?? '')) throw refusal('set without local')
  if (first === 'declare' && staysOpen.test(text)) throw refusal('declare with hold')
  if (first === 'create' && isTemporary(words) && !goesWithTransaction.test(text)) throw refusal('create temp')
  const lock = sessionLocks.exec(text)?.[0]
  if (lock !== undefined) throw refusal(lock)
})

const refusal = (what: string): InvalidRequestError =>
  new InvalidRequestError(
    `${what.toUpperCase()} would outlast the transaction, and behind a pooler in transaction mode a session does not: it is another one afterwards. Use the pooler in session mode for it.`,
  )

type Callback = (error: unknown) => void

/**
 * Keeps a client from what does not work behind a pooler in transaction mode. What outlasts a transaction fails, as far as the
 * beginning of the text shows it; statements have no names, for the next one may come to a server that does not know them.
 */
export function keepToTransactions(client: Client): void {
  const { query } = client
  const kept = (...args: readonly unknown[]): unknown => {
    const [config, ...rest] = args
    const text = typeof config === 'string' ? config : (config as { readonly text?: unknown } | null)?.text
    try {
      if (typeof text === 'string') vetting.pass(text)
    } catch (error) {
      const callback = rest.find(each => typeof each === 'function') as Callback | undefined
      if (callback === undefined) return Promise.reject(error)
      return void process.nextTick(callback, error)
    }
    return Reflect.apply(query, client, [nameless(config), ...rest])
  }
  Object.assign(client, { query: kept })
}

/** A query that somebody has made himself, as cursors are, has state, and stays the object that it is. */
function nameless(config: unknown): unknown {
  if (typeof config !== 'object' || config === null || !('name' in config)) return config
  if (!('submit' in config)) return { ...config, name: undefined }
  config.name = undefined
  return config
}
