import type { MessagePort } from 'node:worker_threads'
import { type Endpoint, expose, wrap } from 'comlink'
import { CoordinatorLostError, NotClonableError } from '../base/errors.ts'
import type { Holder } from '../base/holder.ts'
import { ignore } from '../base/maybe-async.ts'
import type { PoolCounts, TransportInUse } from '../observe/status.ts'
import { checkPayload } from './payload.ts'
import { isBuffers } from './request-check.ts'
import { closeStrayPorts } from './stray-ports.ts'
import { fromWireError, toWireError, type WireError } from './wire-error.ts'
import { fromWireValue, toWireValue, type WireValue } from './wire-value.ts'

/** Which of a fairy's two maps. */
export type InfoKind = 'info' | 'recordInfo'

/** Where a shared pool can be found. */
export interface SharedAt {
  readonly name: string
  readonly threadId: number
  readonly buffer: SharedArrayBuffer
}

/** The control plane: rare and small calls from a worker, over Comlink. */
export interface Control {
  status(): {
    readonly counts: PoolCounts
    readonly label: string | undefined
    readonly transports: readonly TransportInUse[]
  }
  holders(): Promise<Holder[]>
  dispose(options?: object): Promise<void>
  suspend(): void
  resume(): void
  invalidate(generation: number | undefined): void
  /** Makes a pool like this one, shares it, and says where. */
  recreate(): SharedAt
  listen(event: string): void
  unlisten(event: string): void
  infoGet(lease: number, kind: InfoKind, key: string): unknown
  infoSet(lease: number, kind: InfoKind, key: string, value: unknown): void
  infoHas(lease: number, kind: InfoKind, key: string): boolean
  infoDelete(lease: number, kind: InfoKind, key: string): boolean
  infoClear(lease: number, kind: InfoKind): void
}

type Outcome = { readonly ok: WireValue } | { readonly failed: WireError }
type Wired = Readonly<Record<string, (args: WireValue) => Promise<Outcome>>>

/**
 * Serves the control plane on a port. Values and errors travel in the wire form of the data plane: Comlink would lose Buffers,
 * classes and fields. `refused` is told of each message that is not a plain call of one of these methods.
 */
export function exposeControl(control: Control, port: MessagePort, refused: () => void = ignore): void {
  const methods = Object.entries(control).map(([name, method]) => {
    const call = async ({ value, buffers }: WireValue): Promise<Outcome> => {
      try {
        checkPayload(value)
        const args = fromWireValue(value, buffers) as unknown[]
        return { ok: toWireValue(await (method as (...args: unknown[]) => unknown)(...args)) }
      } catch (error) {
        return { failed: toWireError(error) }
      }
    }
    return [name, call] as const
  })
  const wired: Wired = Object.fromEntries(methods)
  // Comlink follows any path, constructs what it finds there, and throws at what it does not expect: it is shown none of that.
  const shown = (message: unknown): object | undefined => {
    const call = callOf(message, wired)
    if (call === undefined) refused()
    return call
  }
  expose(wired, endpoint(port, shown))
  closeStrayPorts(port, () => false)
  port.unref()
}

/** The longest id of a call: Comlink's own have 55 characters at most. */
const longestId = 100

/** The most arguments of a call. */
const mostArguments = 10

/** A message that is a plain call of a listed method, made anew of just what that takes. Undefined: it is none. */
function callOf(message: unknown, wired: Wired): object | undefined {
  const { id, type, path, argumentList } = Object(message) as Readonly<Record<string, unknown>>
  if (type !== 'APPLY' || typeof id !== 'string' || id.length > longestId) return undefined
  const name = Array.isArray(path) && path.length === 1 ? (path[0] as unknown) : undefined
  if (typeof name !== 'string' || !Object.hasOwn(wired, name)) return undefined
  if (!Array.isArray(argumentList) || argumentList.length !== 1) return undefined
  const { value, buffers } = Object((Object(argumentList[0]) as { value?: unknown }).value) as Partial<WireValue>
  if (!Array.isArray(value) || value.length > mostArguments || !isBuffers(buffers)) return undefined
  return { id, type, path: [name], argumentList: [{ type: 'RAW', value: { value, buffers } }] }
}

/** Calls over the control plane. Comlink's own calls never settle when a port dies: these reject then. */
export class ControlClient {
  readonly #wired: Wired
  readonly #port: MessagePort
  readonly #pending = new Set<(error: Error) => void>()
  #lost: Error | undefined

  constructor(port: MessagePort) {
    this.#port = port
    this.#wired = wrap<Wired>(endpoint(port, message => message)) as unknown as Wired
    port.once('close', () => this.lose(new CoordinatorLostError('The control plane of this pool has been closed.')))
    port.unref()
  }

  async call<N extends keyof Control>(
    name: N,
    ...args: Parameters<Control[N]>
  ): Promise<Awaited<ReturnType<Control[N]>>> {
    if (this.#lost) throw this.#lost
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      this.#pending.add(reject)
      // Somebody waits: until the answer is here, this port keeps the thread alive.
      this.#port.ref()
      const settle = (act: () => void): void => {
        this.#pending.delete(reject)
        if (this.#pending.size === 0) this.#port.unref()
        act()
      }
      this.#wired[name]?.(toWireValue(args)).then(
        answer => settle(() => resolve(answer)),
        // The methods' own failures travel as outcomes: all that is left is a value that can't be cloned.
        (cause: unknown) => settle(() => reject(notClonable(name, cause))),
      )
    })
    if ('failed' in outcome) throw fromWireError(outcome.failed)
    return fromWireValue(outcome.ok.value, outcome.ok.buffers) as Awaited<ReturnType<Control[N]>>
  }

  /** The other end is gone: nobody will answer. */
  lose(error: Error): void {
    this.#lost ??= error
    for (const reject of this.#pending) reject(error)
    this.#pending.clear()
    this.#port.close()
  }
}

const notClonable = (name: string, cause: unknown): NotClonableError =>
  new NotClonableError(
    `A value of ${name}() can't travel between threads: functions, symbols and live objects can't be cloned.`,
    { cause },
  )

/** A port as Comlink wants it, which is shown what `shown` makes of each message; undefined: nothing. */
function endpoint(port: MessagePort, shown: (message: unknown) => unknown): Endpoint {
  const listeners = new Map<unknown, (message: unknown) => void>()
  return {
    postMessage: (message: unknown, transfer?: unknown) => port.postMessage(message, transfer as []),
    addEventListener: (_type: string, listener: unknown) => {
      const handler = listener as (event: { readonly data: unknown }) => void
      const onMessage = (data: unknown): void => {
        const message = shown(data)
        if (message !== undefined) handler({ data: message })
      }
      listeners.set(listener, onMessage)
      port.on('message', onMessage)
    },
    removeEventListener: (_type: string, listener: unknown) => {
      const onMessage = listeners.get(listener)
      if (onMessage) port.off('message', onMessage)
      listeners.delete(listener)
    },
  } as unknown as Endpoint
}
