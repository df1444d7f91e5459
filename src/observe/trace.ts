/** Where a checkout was made. Capturing costs about 3 µs; reading `stack` formats it, only when somebody wants to see it. */
export class CheckoutTrace extends Error {
  override readonly name = 'Checkout'

  /** Captures the stack above `caller`, so that the first frame is the user's. */
  static capture(caller: (...args: never[]) => unknown): CheckoutTrace {
    const trace = new CheckoutTrace('checked out here')
    Error.captureStackTrace(trace, caller)
    return trace
  }

  /** The first frame: the place by which a warning is given once. */
  get place(): string {
    return this.stack?.split('\n')[1]?.trim() ?? 'an unknown place'
  }
}
