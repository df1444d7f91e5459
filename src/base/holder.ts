/** What a connection that is out is used for. */
export type HolderUse = 'connect' | 'query' | 'opening' | 'returning'

/**
 * One connection that is out, and who has it: `pool.holders()` gives one for each, the longest held first, and so does every
 * `TimeoutError` of a `connect()`. It never holds the values of a statement, but what is written in its text.
 */
export interface Holder {
  /** The lease's number, as on the diagnostics channels. */
  readonly lease: number
  readonly threadId: number
  /**
   * `connect`: somebody holds it who has called `connect()`. `query`: statements of `pool.query()` run on it, of whoever; it comes home
   * by itself. `opening` and `returning`: it is on its way to or from whoever wanted it.
   */
  readonly use: HolderUse
  /** The file of the task that holds it, in a worker of `createWorkers()`. */
  readonly task: string | undefined
  /** For how many milliseconds, 10 too few at most where the holder's event loop is not blocked; undefined: nobody knows yet. */
  readonly heldMs: number | undefined
  /** Where it was checked out; undefined: that was not traced. */
  readonly stack: string | undefined
  /** The last statement that was sent over it, its first 300 characters; `'unknown'` where its thread has not answered in time. */
  readonly statement: string | undefined
}

/** A statement's text, as far as it is shown. */
const mostText = 300

/** So many holders are named in a message; all are in its error. */
const mostNamed = 3

/** What is shown of a statement, or of another text of unknown length. */
export function shown(text: string): string {
  return text.length > mostText ? `${text.slice(0, mostText)}…` : text
}

/** Who has what, as the tail of a message; empty where nobody has anything. */
export function heldBy(holders: readonly Holder[]): string {
  if (holders.length === 0) return ''
  const named = holders.slice(0, mostNamed).map(nameOf)
  const more = holders.length - named.length
  return ` Held by ${named.join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
}

/** One of them, in words. */
export function nameOf({ threadId, task, use, heldMs, statement }: Holder): string {
  const who = use === 'query' ? `query() in thread ${threadId}` : `thread ${threadId}`
  const doing = use === 'opening' || use === 'returning' ? `, ${use}` : ''
  const where = task === undefined ? '' : ` (${task})`
  const long = heldMs === undefined ? '' : ` for ${Math.round(heldMs)} ms`
  return `${who}${where}${long}${doing}${statement === undefined ? '' : `, last statement: ${statement}`}`
}

/** The longest held first; those of whom nobody knows, last. */
export function byAge(a: Holder, b: Holder): number {
  return (b.heldMs ?? -1) - (a.heldMs ?? -1)
}
