import { setImmediate } from 'node:timers/promises'
import { onTestFinished } from 'vitest'

export interface PoolWarning {
  readonly code: string
  readonly message: string
  readonly detail: string | undefined
}

/** The library's process warnings in this thread, from now until the test has ended; they are not printed. */
export function poolWarnings(): { soFar(): Promise<readonly PoolWarning[]> } {
  const warnings: PoolWarning[] = []
  const printers = process.rawListeners('warning') as ((warning: Error) => void)[]
  const onWarning = (warning: Error): void => {
    const { code, message, detail } = warning as Error & PoolWarning
    // Not the warning itself: an error whose stack nobody has read keeps alive all that was on the stack.
    if (warning.name === 'FairypoolWarning') warnings.push({ code, message, detail })
    else for (const print of printers) print(warning)
  }
  process.removeAllListeners('warning').on('warning', onWarning)
  onTestFinished(() => {
    process.off('warning', onWarning)
    for (const print of printers) process.on('warning', print)
  })
  return {
    async soFar() {
      // They are emitted in the next tick.
      await setImmediate()
      return warnings
    },
  }
}
