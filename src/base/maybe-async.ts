/** A value now, or a promise of it: hot paths stay synchronous when there is nothing to wait for. */
export type MaybePromise<T> = T | Promise<T>

/** True for anything with a `then` method, as `await` sees it. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    value !== null &&
    (typeof value === 'object' || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}

/** For a promise whose failure is reported elsewhere: it must not become an unhandled rejection. */
export const ignore = (): void => {}
