import { isUint8Array } from 'node:util/types'
import { MessagePort } from 'node:worker_threads'
import { ArgumentError } from '../base/errors.ts'
import { kind, type Request } from './messages.ts'
import { checkPayload, checkPayloads } from './payload.ts'

type Test = (value: unknown) => boolean

/** Errors have causes, and those have causes: no more than are written (see `wire-error.ts`), and some. */
const mostCauses = 16

/** So many errors there may be in one, each time they stand there: they are rebuilt one by one. */
const mostErrors = 10_000

/** So many calls of one lease, statements or wishes of one thread can be under way; the next is refused, or a flood of them would fill the memory. */
export const mostPending = 65_536

/** The longest name, reason or key that somebody has to keep, or to show. */
const longestWord = 1000

/** Between -0 and 2 ** 53: a number of a lease, a request, a handle. */
const isNumber: Test = value => Number.isSafeInteger(value) && (value as number) >= 0
const isId: Test = value => isNumber(value) && value !== 0
const isAmount: Test = value => typeof value === 'number' && value >= 0 && value < 2 ** 31
/** Of the monotonic clock, which counts from the machine's start: there is no most. */
const isTime: Test = value => Number.isFinite(value) && (value as number) >= 0
const isFlag: Test = value => typeof value === 'boolean'
const isText: Test = value => typeof value === 'string'
const isWord: Test = value => typeof value === 'string' && value.length <= longestWord
const isList: Test = value => Array.isArray(value) && value.length <= 65_536
const isRecord: Test = value =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
const isBytes: Test = value => isUint8Array(value)
const among =
  (...words: readonly unknown[]): Test =>
  value =>
    words.includes(value)
const orNothing =
  (test: Test): Test =>
  value =>
    value === undefined || test(value)

/** Not `every()`: that passes over gaps, and there may be four billion of them. Here the first ends it. */
const isAll = (list: unknown, test: Test): boolean => {
  if (!Array.isArray(list)) return false
  for (let i = 0; i < list.length; i++) if (!test(list[i])) return false
  return true
}

/** Arrays that are to be Buffers: nothing else may get that prototype. */
export const isBuffers: Test = value => value === undefined || isAll(value, isBytes)

/** Whatever follows is looked at by who uses it. */
const anything: Test = () => true

/** `found`: what hangs on it, and on all that are in it, and travels on with each. */
const isWireError = (value: unknown, found: object[], depth = 0): boolean => {
  if (!isRecord(value) || depth > mostCauses || found.length >= mostErrors) return false
  const { name, ours, message, stack, fields, buffers, cause, errors } = value as Record<string, unknown>
  if (!isWord(name) || !isFlag(ours) || !isText(message) || !orNothing(isText)(stack)) return false
  if (!isRecord(fields) || !isBuffers(buffers)) return false
  found.push([fields, message, stack])
  const isDeeper: Test = error => isWireError(error, found, depth + 1)
  // As `fromWireError` tells them apart: what has a message is rebuilt as an error, whatever else it has.
  const isCause: Test = value =>
    isRecord(value) &&
    ('message' in Object(value) ? isDeeper(value) : 'value' in Object(value) && found.push(Object(value)) > 0)
  return orNothing(isCause)(cause) && (errors === undefined || isAll(errors, isDeeper))
}
const isError: Test = value => {
  const found: object[] = []
  if (!isWireError(value, found)) return false
  checkPayloads(found)
  return true
}

/** What a thread says of one lease that it holds. */
const isHeld = (value: unknown): boolean => {
  if (!isRecord(value)) return false
  const { lease, task, stack, statement } = value as Record<string, unknown>
  return isNumber(lease) && [task, stack, statement].every(orNothing(isText))
}

/** What follows the kind in a request of each kind. */
const shapes: Readonly<Record<Request[0], readonly Test[]>> = {
  [kind.ask]: [isId],
  [kind.connect]: [isId],
  [kind.leave]: [isId],
  [kind.late]: [isId, isAmount, isNumber, among('connect', 'query')],
  [kind.freed]: [],
  [kind.call]: [isId, isNumber, isNumber, anything, isList, isBuffers],
  [kind.query]: [isId, isText, orNothing(isList), isBuffers, among(0, null, undefined)],
  [kind.end]: [isNumber, isNumber, among('closed', 'collected', 'task ended'), orNothing(isFlag)],
  [kind.invalidate]: [isId, isNumber, orNothing(isError), isFlag],
  [kind.detach]: [isId, isNumber],
  [kind.cursor]: [isId, isNumber, isList],
  [kind.read]: [isId, isNumber, isNumber, among('read', 'close')],
  [kind.release]: [isNumber, isNumber],
  [kind.transport]: [among('direct', 'remote'), orNothing(isWord)],
  [kind.handover]: [isId, isNumber],
  [kind.adopted]: [isNumber],
  [kind.failed]: [isNumber, isError],
  [kind.collected]: [isAmount, isAmount],
  [kind.held]: [value => isList(value) && isAll(value, isHeld)],
  [kind.stands]: [isId, isTime],
  [kind.control]: [value => value instanceof MessagePort],
}

/** The kinds that carry a number of their own, which is answered; 0 where no answer is wanted. */
const answered: ReadonlySet<unknown> = new Set([
  ...[kind.ask, kind.connect, kind.late, kind.call, kind.query, kind.end, kind.invalidate],
  ...[kind.detach, kind.cursor, kind.read, kind.handover],
])

/** The number under which a message is to be answered, whatever else is wrong with it; 0: by none. What is no request is never answered. */
export function idOf(message: unknown): number {
  if (!Array.isArray(message) || !answered.has(message[0]) || !isId(message[1])) return 0
  return message[1] as number
}

/**
 * Looks at a message of another thread as it arrives: it is of a known kind, and each of its parts is what it should be. Whether
 * the lease is the sender's, the method allowed and so on is for who knows. @throws {ArgumentError}
 */
export function checkRequest(message: unknown): asserts message is Request {
  const shape = Array.isArray(message) ? shapeOf(message[0]) : undefined
  if (shape === undefined) throw wrong('it is of no kind that there is')
  const parts = message as readonly unknown[]
  if (parts.length > shape.length + 1) throw wrong('it has too many parts')
  for (let i = 0; i < shape.length; i++) {
    if (!shape[i]!(parts[i + 1])) throw wrong(`part ${i + 1} of kind ${String(parts[0])} is not what it should be`)
  }
  if (parts[0] !== kind.control && parts.some(canBeMuch)) checkPayload(parts)
}

/** Numbers alone are never too much. */
const canBeMuch: Test = part => typeof part === 'object' || typeof part === 'string'

const shapeOf = (kind: unknown): readonly Test[] | undefined =>
  typeof kind === 'number' && Object.hasOwn(shapes, kind) ? shapes[kind as Request[0]] : undefined

/** Without a stack: it is the same each time, and there may be very many of them. */
function wrong(what: string): ArgumentError {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return new ArgumentError(`A message of this thread was refused: ${what}.`)
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
