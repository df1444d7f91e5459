import { isThenable } from '../base/maybe-async.ts'

/** Results that are no promises but may go on working, such as streams: they keep their fairy alive as long as they live. */
const results = new WeakMap<object, object>()

/** The calls of one checkout that are under way. While there is one, its fairy is held and can't be collected. */
export class Calls {
  readonly #onFailure: (error: unknown) => void
  #count = 0
  #pinned: object | undefined
  #quiet: (() => void) | undefined

  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
  }

  /** How many are under way. */
  get count(): number {
    return this.#count
  }

  /** Calls a method of the driver, and watches the call until it settles. Returns just what the driver returns. */
  run(target: object, method: (...args: unknown[]) => unknown, args: readonly unknown[], fairy: object | undefined): unknown {
    let result: unknown
    try {
      result = Reflect.apply(method, target, args)
    } catch (error) {
      this.#onFailure(error)
      throw error
    }
    if (isThenable(result)) {
      this.#begin(fairy)
      result.then(
        () => this.#end(),
        (error: unknown) => {
          this.#end()
          this.#onFailure(error)
        },
      )
    } else if (typeof result === 'object' && result !== null && fairy && result !== target) results.set(result, fairy)
    return result
  }

  /** Settles when no call is under way. */
  quiet(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise<void>(resolve => {
      this.#quiet = resolve
    })
  }

  #begin(fairy: object | undefined): void {
    this.#count++
    this.#pinned = fairy
  }

  #end(): void {
    if (--this.#count > 0) return
    this.#pinned = undefined
    this.#quiet?.()
  }
}
