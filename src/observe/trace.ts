/** Where a checkout was made. Capturing costs about 3 µs; the stack is formatted only when somebody reads it. */
export class CheckoutTrace {
  /** The stack above `connect()`: the first frame is the user's. */
  declare readonly stack: string

  constructor(caller: (...args: never[]) => unknown) {
    Error.captureStackTrace(this, caller)
  }

  /** The first frame: the place by which a warning is given once. */
  get place(): string {
    return this.stack.split('\n')[1]?.trim() ?? 'at an unknown place'
  }
}
