/** Who borrows: a session's number in the slot table, and the thread behind it. */
export interface Borrower {
  /** 0 is the coordinator's own thread. */
  readonly session: number
  readonly threadId: number
}
