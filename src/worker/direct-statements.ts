import { threadId } from 'node:worker_threads'
import { TimeoutError } from '../base/errors.ts'
import type { Outcome } from '../dialects/dialect.ts'
import type { LaneModule } from '../dialects/lane.ts'
import type { Borrower } from '../fairies/borrower.ts'
import { checkQuery, patienceWith, type QueryOptions, queryTimeout, waitOf } from '../fairies/query-options.ts'
import { Statement } from '../statements/statement.ts'
import { StatementDispatch } from '../statements/statement-dispatch.ts'
import type { StatementLine } from '../statements/statement-line.ts'
import { LaneSource } from './lane-source.ts'
import type { Lanes } from './lanes.ts'
import { passOn } from './remote-statement.ts'
import type { Wire } from './wire.ts'

const none: readonly unknown[] = []

/** `pool.query()` where this thread runs the driver itself (transport `direct`): over connections that it leases in shared memory. */
export class DirectStatements {
  readonly #wire: Wire
  readonly #borrower: Borrower
  readonly #prepare: NonNullable<LaneModule['statement']>
  readonly #dispatch: StatementDispatch

  constructor(wire: Wire, lanes: Lanes, prepare: NonNullable<LaneModule['statement']>) {
    this.#wire = wire
    this.#borrower = { session: wire.welcome.session, threadId }
    this.#prepare = prepare
    this.#dispatch = new StatementDispatch(new LaneSource(wire, lanes, () => this.#passOn()))
  }

  /**
   * True when a statement may be run without the coordinator, as things are now. One that must not wait is not: only the
   * coordinator can open a connection for it.
   */
  mayRun(options: QueryOptions | undefined): boolean {
    return options?.timeoutMs !== 0 && this.#wire.lessee.isQuick && this.#wire.lost === undefined
  }

  query(text: string, values: readonly unknown[] | undefined, options: QueryOptions | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      checkQuery(text, values, options)
      const args = this.#prepare(text, values ?? none)
      const whole = options && patienceWith(options, queryTimeout)
      if (whole?.gone) throw whole.gone.reason
      const wait = options && waitOf(options)
      const waitMs = wait === undefined ? this.#wire.welcome.timeoutMs : wait
      const outcome: Outcome = { resolve, reject: error => this.#fail(reject, error) }
      this.#dispatch.add(new Statement(this.#borrower, { text, values, args, waitMs, whole }, outcome))
    })
  }

  /** The connections over which statements run now. */
  lines(): Iterable<StatementLine> {
    return this.#dispatch.lines()
  }

  /** The coordinator is gone. */
  lose(error: Error): void {
    this.#dispatch.lose(error)
  }

  /** Of a wait that was too long the coordinator knows more. */
  #fail(reject: (error: unknown) => void, error: unknown): void {
    if (!(error instanceof TimeoutError) || error.phase !== 'wait') return reject(error)
    void this.#wire.lessee.explain(error, 'query').then(reject)
  }

  /** What this thread can't reach by itself, the coordinator can. */
  #passOn(): void {
    for (const statement of this.#dispatch.takeWaiting()) passOn(this.#wire, statement)
  }
}
