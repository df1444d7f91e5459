import { InvalidRequestError } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-async.ts'
import type { BatchReader } from '../dialects/dialect.ts'

/**
 * The rows of a query as an async iterable with back-pressure: a batch is read when the one before has been consumed.
 * It holds its fairy, so a connection whose cursor is in use is not collected. Leaving a `for await` early closes it.
 */
export class RowCursor<Row = unknown> implements AsyncIterableIterator<Row>, AsyncDisposable {
  /** Kept only to keep it alive. */
  readonly fairy: object
  readonly #reader: Promise<BatchReader>
  #batch: readonly unknown[] = []
  #next = 0
  #state: 'open' | 'done' = 'open'
  #reading = false

  constructor(fairy: object, reader: MaybePromise<BatchReader>) {
    this.fairy = fairy
    this.#reader = Promise.resolve(reader)
    // The caller may never iterate: its failure is then nobody's, and it must not become an unhandled rejection.
    this.#reader.catch(() => {})
  }

  async next(): Promise<IteratorResult<Row, undefined>> {
    if (this.#reading) throw new InvalidRequestError('A cursor is read by one caller at a time; await next() first.')
    while (this.#next >= this.#batch.length) {
      if (this.#state === 'done') return { done: true, value: undefined }
      this.#reading = true
      try {
        this.#batch = await (await this.#reader).read()
      } catch (error) {
        this.#state = 'done'
        throw error
      } finally {
        this.#reading = false
      }
      this.#next = 0
      if (this.#batch.length === 0) this.#state = 'done'
    }
    return { done: false, value: this.#batch[this.#next++] as Row }
  }

  async return(): Promise<IteratorResult<Row, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Ends the reading; the connection can be used for other things again. Idempotent. */
  async close(): Promise<void> {
    this.#batch = []
    if (this.#state === 'done') return
    this.#state = 'done'
    await (await this.#reader).close()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
