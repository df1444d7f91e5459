/** Why a process warning was given; it is the warning's `code`. */
export type WarningCode =
  | 'FAIRYPOOL_DOUBLE_CHECKIN'
  | 'FAIRYPOOL_DEAD_FAIRY'
  | 'FAIRYPOOL_RESET_AGENT'
  | 'FAIRYPOOL_LOST_FAIRY'
  | 'FAIRYPOOL_TASK_LEFT_OPEN'
  | 'FAIRYPOOL_CALL_IN_FLIGHT'
  | 'FAIRYPOOL_DEPRECATED'
  | 'FAIRYPOOL_LISTENER'

const given = new Set<string>()
const limit = 1000

/** A process warning (`process.on('warning')`), each time. */
export function warn(code: WarningCode, message: string, detail?: string): void {
  process.emitWarning(message, { type: 'FairypoolWarning', code, ...(detail === undefined ? {} : { detail }) })
}

/** A process warning, once in this thread for each place: a loop that forgets `close()` must not flood the log. */
export function warnOnce(code: WarningCode, place: string, message: string, detail?: string): void {
  const key = `${code} ${place}`
  if (given.has(key) || given.size >= limit) return
  given.add(key)
  warn(code, message, detail)
}
