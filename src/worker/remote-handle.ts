import { MethodNotAllowedError, NotClonableError } from '../base/errors.ts'
import { kind } from '../protocol/messages.ts'
import { iteratorMethod } from '../transports/allowed.ts'
import type { Wire } from './wire.ts'

/** What the handles of this thread refer to; when one is collected, the coordinator may forget its object. */
const dropped = new FinalizationRegistry<() => void>(release => release())

const members: ProxyHandler<RemoteHandle> = {
  get(handle, name) {
    if (name === Symbol.asyncIterator) return () => handle.iterate()
    if (typeof name === 'symbol' || name === 'then' || name === 'toJSON') return undefined
    return (...args: unknown[]) => handle.call(name, args)
  },
}

/**
 * A result that can't be cloned (a stream, a statement): its methods are called on the coordinator, and return promises.
 * It holds its fairy, so the lease lives as long as the handle; when the lease ends, its calls fail with `StaleLeaseError`.
 */
export class RemoteHandle {
  /** Kept only to keep it alive. */
  readonly fairy: object
  readonly #wire: Wire
  readonly #lease: number
  readonly #target: number

  private constructor(wire: Wire, lease: number, target: number, fairy: object) {
    this.#wire = wire
    this.#lease = lease
    this.#target = target
    this.fairy = fairy
  }

  /** `parent`: the fairy, or the handle whose method has returned this one. */
  static over(wire: Wire, lease: number, target: number, parent: object): object {
    const fairy = parent instanceof RemoteHandle ? parent.fairy : parent
    const handle = new RemoteHandle(wire, lease, target, fairy)
    dropped.register(handle, () => {
      if (!wire.lost) wire.caller.tell([kind.release, lease, target])
    })
    return new Proxy(handle, members)
  }

  call(method: string, args: readonly unknown[]): Promise<unknown> {
    return this.#wire.caller.call(this.#lease, this.#target, method, args, this)
  }

  /** `for await` over a handle: a round trip for each item. */
  iterate(): AsyncIterator<unknown> {
    const iterator = this.call(iteratorMethod, []) as Promise<
      Record<'next' | 'return', () => Promise<IteratorResult<unknown>>>
    >
    iterator.catch(() => {})
    return {
      next: async () => {
        const result = await (await iterator).next()
        // A result that has stayed behind answers every name with a function.
        if (typeof result.done !== 'function') return result
        throw new NotClonableError("An item of this iteration can't travel: it holds functions or live objects.")
      },
      return: async () => {
        try {
          return await (await iterator).return()
        } catch (error) {
          // Not every iterator has a `return`.
          if (error instanceof MethodNotAllowedError) return { done: true, value: undefined }
          throw error
        }
      },
    }
  }
}
