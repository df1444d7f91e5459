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

it('a detached connection has no map of its record, and says so', () => {
  const detached = { info: new Map([['key', 1]]), recordInfo: undefined }
  const control = controlFor(undefined as never, undefined as never, () => detached as never)
  expect(control.infoGet(1, 'info', 'key')).toBe(1)
  expect(() => control.infoGet(1, 'recordInfo', 'key')).toThrow('A detached connection has no recordInfo.')
})

it('a map that has all the keys it may have takes no more, and new values of those that it has', () => {
  const info = new Map<string, unknown>(Array.from({ length: 1000 }, (_, i) => [`${i}`, i]))
  const control = controlFor(undefined as never, undefined as never, () => ({ info }) as never)
  control.infoSet(1, 'info', '7', 'new')
  expect(() => control.infoSet(1, 'info', 'more', 1)).toThrow(InvalidRequestError)
  expect([info.size, info.get('7')]).toEqual([1000, 'new'])
})
