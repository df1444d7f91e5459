import { InvalidRequestError, MethodNotAllowedError, StaleLeaseError } from '../base/errors.ts'
import type { BatchReader, Outcome } from '../dialects/dialect.ts'
import { kind, type Reply } from '../protocol/messages.ts'
import { checkPayload } from '../protocol/payload.ts'
import { mostPending } from '../protocol/request-check.ts'
import type { RowEncoder, RowSet } from '../protocol/row-coder.ts'
import { toWireError } from '../protocol/wire-error.ts'
import { toWireValue } from '../protocol/wire-value.ts'
import { checkHandleMethod, checkMethod, iteratorMethod } from './allowed.ts'

/** What the coordinator's end of `remote` needs of a checkout. */
export interface Callable {
  readonly lease: number
  readonly connection: object | undefined
  /** Results stay here as long as the lease lasts. */
  retain(): void
  call(target: object, method: string, args: readonly unknown[], outcome: Outcome): void
  read(args: readonly unknown[]): Promise<BatchReader>
}

/** What a dialect says about calls from afar. */
export interface CallRules {
  readonly methods?: readonly string[]
  /** The arguments of a method of the connection, as the driver may see them; throws for what it must not. */
  admit?(method: string, args: readonly unknown[], weigh: (value: unknown) => void): readonly unknown[]
  rowSet?(result: unknown): RowSet | undefined
  toWire?(result: unknown): unknown
}

/** Sends a reply; `unsendable` is called instead where it turns out that it can't be cloned. */
export type ReplySender = (reply: Reply, unsendable?: () => void) => void

const cut = 'This connection was closed or invalidated while the call was in flight.'

/** The `remote` transport on the coordinator: runs the calls of one lease, and keeps the results that can't travel. */
export class RemoteCallee {
  readonly #callable: Callable
  readonly #rules: () => CallRules
  readonly #reply: ReplySender
  readonly #encoder: RowEncoder
  readonly #inFlight = new Set<number>()
  #handles: Map<number, object> | undefined
  /** Of the handles, those that are cursors. */
  #readers: WeakSet<object> | undefined
  #lastHandle = 0

  constructor(callable: Callable, rules: () => CallRules, reply: ReplySender, encoder: RowEncoder) {
    this.#callable = callable
    this.#rules = rules
    this.#reply = reply
    this.#encoder = encoder
  }

  /** Calls a method of the connection (`target` 0) or of a handle, and answers when it has settled. */
  call(id: number, target: number, method: string, args: readonly unknown[]): void {
    const rules = this.#rules()
    const object = target === 0 ? this.#callable.connection : this.#handle(target)
    if (target === 0) checkMethod(method, rules.methods)
    else checkHandleMethod(method)
    if (object === undefined) throw new InvalidRequestError('This connection is closed.')
    if (typeof object === 'function')
      throw new MethodNotAllowedError("A function that has stayed here can't be called.")
    const iterates = method === iteratorMethod
    if (!iterates && typeof Reflect.get(object, method) !== 'function') {
      throw new MethodNotAllowedError(`The connection has no method '${method}'.`)
    }
    if (iterates) {
      const iterator = (object as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      return this.#await(id, {}).resolve(iterator)
    }
    const admitted = target === 0 ? (rules.admit?.(method, args, weigh) ?? args) : args
    this.#callable.call(object, method, admitted, this.#await(id, rules))
  }

  /** Begins to read rows; the reader stays here under a handle's number. */
  cursor(id: number, args: readonly unknown[]): void {
    const admitted = this.#rules().admit?.('cursor', args, weigh) ?? args
    const outcome = this.#await(id, { toWire: reader => this.#keepReader(reader as BatchReader) })
    this.#callable.read(admitted).then(outcome.resolve, outcome.reject)
  }

  /** The next batch of a reader, or its end. */
  read(id: number, target: number, what: 'read' | 'close'): void {
    const reader = this.#handle(target) as BatchReader
    if (!this.#readers?.has(reader)) throw new InvalidRequestError('This handle is no cursor.')
    if (what === 'close') this.#handles?.delete(target)
    const outcome = this.#await(id, {})
    const work: Promise<unknown> = what === 'close' ? reader.close() : reader.read()
    work.then(outcome.resolve, outcome.reject)
  }

  /** Nobody refers to this handle any more. */
  release(target: number): void {
    this.#handles?.delete(target)
  }

  /** The lease has been taken away: whoever waits for a call of it is told; its real outcome is nobody's. */
  cutOff(why: Error = new InvalidRequestError(cut)): void {
    const error = toWireError(why)
    for (const id of this.#inFlight) this.#reply([kind.failure, id, error])
    this.#inFlight.clear()
  }

  /** How a call ends that is in flight from now on. */
  #await(id: number, rules: CallRules): Outcome {
    if (this.#inFlight.size + (this.#handles?.size ?? 0) >= mostPending)
      throw new InvalidRequestError(
        `${mostPending} calls of this connection are in flight, or their results have stayed: that is the most.`,
      )
    this.#inFlight.add(id)
    return {
      resolve: value => {
        if (!this.#inFlight.delete(id)) return
        try {
          const rowSet = rules.rowSet?.(value)
          const rows = rowSet && this.#encoder.encode(rowSet)
          if (rows) this.#reply([kind.rows, id, rows])
          else this.#answer(id, rules.toWire ? rules.toWire(value) : value)
        } catch (error) {
          this.#reply([kind.failure, id, toWireError(error)])
        }
      },
      reject: error => {
        if (this.#inFlight.delete(id)) this.#reply([kind.failure, id, toWireError(error)])
      },
    }
  }

  #answer(id: number, result: unknown): void {
    const { value, buffers, nature } = toWireValue(result)
    if (nature === 'stuck' || hasMethods(result)) return this.#handOver(id, Object(result) as object)
    // What only the serializer can judge stays here as a handle if it can't be cloned.
    const unsendable = nature === 'foreign' ? () => this.#handOver(id, value as object) : undefined
    this.#reply([kind.answer, id, value, buffers], unsendable)
  }

  #handOver(id: number, result: object): void {
    this.#reply([kind.handle, id, this.#keep(result), this.#callable.lease])
  }

  #keep(object: object): number {
    this.#callable.retain()
    this.#handles ??= new Map()
    this.#handles.set(++this.#lastHandle, object)
    return this.#lastHandle
  }

  #keepReader(reader: BatchReader): number {
    this.#readers ??= new WeakSet()
    this.#readers.add(reader)
    return this.#keep(reader)
  }

  #handle(target: number): object {
    const object = this.#handles?.get(target)
    if (object === undefined) throw new StaleLeaseError('This handle has been released.')
    return object
  }
}

/** Who writes a value out writes what stands in it twice, twice. */
export const weigh = (value: unknown): void => checkPayload(value, 'each time')

const clonable = [Array, Date, Map, Set, RegExp, Error, ArrayBuffer, SharedArrayBuffer, Number, String, Boolean]

/** An object of a class of its own, such as a statement or a stream: a clone of it would have lost all that it can do. */
function hasMethods(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  if (Symbol.asyncIterator in value) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return false
  return !clonable.some(Class => value instanceof Class)
}
