/** What a task that forgets its connection is asked. */
export interface ForgetTask {
  readonly schema: string
  /** The account it updates, in a transaction that it never ends. */
  readonly aid: number
}

/** What it says, having forgotten. */
export interface Forgotten {
  readonly threadId: number
  /** When it let go, on the clock that all threads share. */
  readonly at: number
  /** Process warnings that this thread has heard until now. */
  readonly warnings: readonly string[]
}
