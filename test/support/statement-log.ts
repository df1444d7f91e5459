import type { ServerView } from './server-view.ts'

/** What the server was asked, from its log; the server needs `log_statement: 'all'`. */
export class StatementLog {
  readonly #statements: string[] = []
  readonly #heard = new Map<string, () => void>()
  #marks = 0

  /** For `startPostgres({ onLog })`. */
  readonly onLog = (line: string): void => {
    const statement = /LOG:\s+(?:statement|execute [^:]+): (.*)/.exec(line)?.[1]
    if (statement === undefined) return
    const mark = this.#heard.get(statement)
    if (mark) mark()
    else this.#statements.push(statement)
  }

  /** All that has been asked since the last time. */
  async take(view: ServerView): Promise<string[]> {
    const mark = `select 'mark ${++this.#marks}'`
    const heard = new Promise<void>(resolve => this.#heard.set(mark, resolve))
    await view.query(mark)
    await heard
    return this.#statements.splice(0).filter(statement => !statement.includes('pg_stat_activity'))
  }
}
