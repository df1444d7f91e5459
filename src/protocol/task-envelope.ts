/** A task on its way to a worker of `createWorkers`: whose file it is, and what the file's function gets. */
export interface TaskEnvelope {
  readonly filename: string
  readonly name: string
  /** Do tasks of one worker overlap? Then it takes more to know whose checkout is whose. */
  readonly overlap: boolean
  readonly task: unknown
}
