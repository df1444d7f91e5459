/** A result that can't be cloned: it has methods, and state that only its own thread sees. */
export class ToyStatement {
  runs = 0
  readonly text: string
  constructor(text: string) {
    this.text = text
  }

  run(...args: unknown[]): { text: string; runs: number; args: unknown[] } {
    this.runs++
    return { text: this.text, runs: this.runs, args }
  }

  other(text: string): ToyStatement {
    return new ToyStatement(`${this.text}, ${text}`)
  }
}

/** An error of the driver's own class, with fields, a code and a cause. */
export class ToyError extends Error {
  override readonly name = 'ToyError'
  readonly code = 'TOY42'
  readonly severity = 'mild'
  readonly bytes = Buffer.from('bytes')
  readonly notClonable = (): void => {}
}

/** A connection to nowhere, with all that a driver's may do. Its thread can look at it, and let go what it holds. */
export class ToyConnection {
  readonly number: number
  state: 'open' | 'closed' = 'open'
  /** What was called, but for `echo`. */
  readonly log: string[] = []
  #held: (() => void)[] = []

  constructor(number: number) {
    this.number = number
  }

  rollback(): void {
    this.log.push('rollback')
  }

  commit(): void {
    this.log.push('commit')
  }

  close(): void {
    this.log.push('close')
    this.state = 'closed'
  }

  /** What it was given, just as it was. */
  echo(value: unknown): unknown {
    return value
  }

  async echoLater(value: unknown): Promise<unknown> {
    return value
  }

  /** What the argument looks like here. */
  describe(value: unknown): { class: string; text: string; size: number } {
    return {
      class: Object(value).constructor.name,
      text: String(value),
      size: Number(Reflect.get(Object(value), 'size')),
    }
  }

  whoami(): number {
    return this.number
  }

  async fail(): Promise<never> {
    throw new ToyError('The toy has failed', { cause: new RangeError('too far', { cause: 'a word' }) })
  }

  failMany(): never {
    throw new AggregateError([new ToyError('first'), new TypeError('second')], 'All have failed')
  }

  async failInCircles(): Promise<never> {
    const error = new ToyError('round and round')
    error.cause = error
    throw error
  }

  /** Fails with an error on which nothing can be read. */
  async failUnreadably(): Promise<never> {
    const unreadable = (): never => {
      throw new Error('hands off')
    }
    const error = new ToyError('unreadable')
    for (const key of ['field', 'cause']) {
      Object.defineProperty(error, key, { get: unreadable, enumerable: true })
    }
    throw error
  }

  /** Gives a result on which nothing can be read. */
  async unreadable(): Promise<object> {
    return {
      get field(): never {
        throw new ToyError('hands off')
      },
    }
  }

  throwText(): never {
    throw 'no error at all'
  }

  prepare(text: string): ToyStatement {
    return new ToyStatement(text)
  }

  callback(): () => string {
    return () => 'called'
  }

  /** A stream that nobody can clone; `returned` in the log says that its reader has left it. */
  async *rows(count: number): AsyncGenerator<{ row: number }> {
    try {
      for (let row = 1; row <= count; row++) yield { row }
    } finally {
      this.log.push('returned')
    }
  }

  /** A stream whose items can't travel. */
  async *functions(): AsyncGenerator<() => void> {
    yield () => {}
  }

  /** An iterator with nothing but `next`. */
  countdown(from: number): AsyncIterable<number> {
    let left = from
    const next = async (): Promise<IteratorResult<number>> =>
      left > 0 ? { done: false, value: left-- } : { done: true, value: undefined }
    return { [Symbol.asyncIterator]: () => ({ next }) }
  }

  /** Settles when this thread calls `letGo()`. */
  hold(): Promise<string> {
    return new Promise(resolve => this.#held.push(() => resolve('let go')))
  }

  letGo(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }

  get holding(): number {
    return this.#held.length
  }

  /** Never settles. */
  hang(): Promise<never> {
    this.log.push('hang')
    return new Promise(() => {})
  }

  _secret(): string {
    return 'secret'
  }

  end(): void {
    this.log.push('end')
  }
}

/** A creator of toy connections, and all that it has made. */
export function toyCreator(): { readonly creator: () => ToyConnection; readonly made: ToyConnection[] } {
  const made: ToyConnection[] = []
  const creator = (): ToyConnection => {
    const connection = new ToyConnection(made.length + 1)
    made.push(connection)
    return connection
  }
  return { creator, made }
}
