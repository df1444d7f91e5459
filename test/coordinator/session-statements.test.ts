import { beforeEach, expect, it } from 'vitest'
import { InvalidRequestError, MethodNotAllowedError } from '../../src/base/errors.ts'
import { SessionStatements } from '../../src/coordinator/session-statements.ts'
import { kind } from '../../src/protocol/messages.ts'
import { RowEncoder } from '../../src/protocol/row-coder.ts'

let prepared: unknown[]
let admitted: unknown[]

beforeEach(() => {
  prepared = []
  admitted = []
})

/** The statements of one thread, in a pool that keeps what it is to run. */
function statementsOf(methods: readonly string[], admit: () => void = () => {}): SessionStatements {
  const statements = {
    prepare: (_borrower: unknown, text: string, values: unknown) => prepared.push([text, values]),
    run() {},
  }
  const dialect = {
    methods,
    admit: (...args: readonly unknown[]) => {
      admitted.push(args)
      admit()
    },
  }
  return new SessionStatements(
    { dialect, statements } as never,
    { session: 1, threadId: 9 },
    () => {},
    new RowEncoder(),
  )
}

const request = [kind.query, 1, 'select $1', [7], undefined, undefined] as const

it('a statement that the dialect admits is run', () => {
  statementsOf(['query']).run(request)
  expect(prepared).toEqual([['select $1', [7]]])
  expect(admitted).toEqual([['query', ['select $1', [7]], expect.any(Function)]])
})

it('a statement is not run where the dialect does not list query()', () => {
  expect(() => statementsOf(['echo']).run(request)).toThrow(MethodNotAllowedError)
  expect([prepared, admitted]).toEqual([[], []])
})

it('a statement that the dialect does not admit is not run', () => {
  const refuse = (): never => {
    throw new InvalidRequestError('no')
  }
  expect(() => statementsOf(['query'], refuse).run(request)).toThrow('no')
  expect(prepared).toEqual([])
})
