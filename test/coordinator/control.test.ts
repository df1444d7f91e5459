import { expect, it } from 'vitest'
import { InvalidRequestError } from '../../src/base/errors.ts'
import { controlFor } from '../../src/coordinator/control.ts'

it('threads can have a thousand pools made like one, and no more', () => {
  let made = 0
  const pool = { recreate: () => ({ share: ({ name }: { readonly name: string }) => ({ name, number: ++made }) }) }
  const control = controlFor(pool as never, undefined as never, () => undefined as never)
  const names = Array.from({ length: 1000 }, () => control.recreate().name)
  expect(new Set(names).size).toBe(1000)
  expect(() => control.recreate()).toThrow(InvalidRequestError)
  expect(made).toBe(1000)
})
