/** An error as a test sees it from another thread: what its reader could find out about it there. */
export interface Failure {
  readonly class: string
  readonly name: string
  readonly message: string
  readonly code: unknown
  readonly stack: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly cause: Failure | undefined
}

/** How `work` fails. It fails itself when the work does not. */
export async function failureOf(work: () => unknown): Promise<Failure> {
  let result: unknown
  try {
    result = await work()
  } catch (error) {
    return describe(error)
  }
  throw new Error(
    `It was expected to fail, but gave ${typeof result === 'object' ? JSON.stringify(result) : String(result)}`,
  )
}

function describe(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(`not an error: ${String(thrown)}`)
  return {
    class: error.constructor.name,
    name: error.name,
    message: error.message,
    code: Reflect.get(error, 'code'),
    stack: String(error.stack),
    fields: { ...error },
    cause: error.cause === undefined ? undefined : describe(error.cause),
  }
}
