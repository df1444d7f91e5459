import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import {
  ArgumentError,
  CoordinatorLostError,
  DisconnectionError,
  InvalidatePoolError,
  InvalidRequestError,
  MethodNotAllowedError,
  NotClonableError,
  PoolError,
  StaleLeaseError,
  TimeoutError,
} from '../../src/base/errors.ts'
import { fromWireError, toWireError } from '../../src/protocol/wire-error.ts'

const { port1, port2 } = new MessageChannel()
port1.unref()
port2.unref()

/** What is thrown on the other side of a real port. */
function trip<T = Error>(thrown: unknown): T {
  port1.postMessage(toWireError(thrown))
  return fromWireError(receiveMessageOnPort(port2)!.message as ReturnType<typeof toWireError>) as T
}

class DriverError extends Error {
  readonly code = 'E42'
  readonly detail = { table: 't', rows: [1n] }
  readonly query = Buffer.from('select')
  readonly retry = (): void => {}
}

describe('an error of this library that travels', () => {
  it.each(
    (
      [
        [PoolError, 'FAIRYPOOL_ERROR'],
        [ArgumentError, 'FAIRYPOOL_ARGUMENT'],
        [InvalidRequestError, 'FAIRYPOOL_INVALID_REQUEST'],
        [DisconnectionError, 'FAIRYPOOL_DISCONNECTED'],
        [InvalidatePoolError, 'FAIRYPOOL_INVALIDATE_POOL'],
        [CoordinatorLostError, 'FAIRYPOOL_COORDINATOR_LOST'],
        [StaleLeaseError, 'FAIRYPOOL_STALE_LEASE'],
        [NotClonableError, 'FAIRYPOOL_NOT_CLONABLE'],
        [MethodNotAllowedError, 'FAIRYPOOL_METHOD_NOT_ALLOWED'],
      ] as const
    ).map(([Class, code]) => [Class.name, Class, code] as const),
  )('is one there, by class and code: %s', (_, Class, code) => {
    const sent = new Class('the message')
    const arrived = trip<PoolError>(sent)
    expect(arrived).toBeInstanceOf(Class)
    expect(arrived).toBeInstanceOf(PoolError)
    expect([arrived.constructor, arrived.name, arrived.message, arrived.code]).toEqual([
      Class,
      Class.name,
      'the message',
      code,
    ])
    expect(arrived.stack).toBe(sent.stack)
  })

  it('says in a TimeoutError all that it says here, its cause too', () => {
    const holder = {
      lease: 7,
      threadId: 3,
      use: 'connect',
      task: 'a.mjs',
      heldMs: 5,
      stack: undefined,
      statement: 's',
    } as const
    const facts = { phase: 'wait', timeoutMs: 50, total: 4, idle: 0, leased: 4, waiting: 2, holders: [holder] } as const
    const arrived = trip<TimeoutError>(new TimeoutError('late', facts, { cause: new RangeError('refused') }))
    expect(arrived).toBeInstanceOf(TimeoutError)
    expect({ ...arrived }).toEqual(facts)
    expect(arrived.cause).toBeInstanceOf(RangeError)
    expect(arrived.code).toBe('FAIRYPOOL_TIMEOUT')
  })

  it('says in a DisconnectionError whether all connections are meant', () => {
    const whole = new DisconnectionError('all')
    whole.invalidatePool = true
    expect(trip<DisconnectionError>(whole).invalidatePool).toBe(true)
    expect(trip<DisconnectionError>(new DisconnectionError('one')).invalidatePool).toBe(false)
  })
})

describe('an error that travels', () => {
  it.each([TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])(
    'is of its built-in class: %s',
    Class => {
      const arrived = trip(new Class('m'))
      expect(arrived).toBeInstanceOf(Class)
      expect(arrived.name).toBe(Class.name)
    },
  )

  it("is of its built-in class also when Node's own code has thrown it", () => {
    let thrown: unknown
    try {
      Buffer.alloc('x' as unknown as number)
    } catch (error) {
      thrown = error
    }
    const arrived = trip<NodeJS.ErrnoException>(thrown)
    expect(arrived).toBeInstanceOf(TypeError)
    expect([arrived.name, arrived.code]).toEqual(['TypeError', 'ERR_INVALID_ARG_TYPE'])
  })

  it('keeps the name of a class that is not known there, its code and its fields', () => {
    const arrived = trip<DriverError>(new DriverError('broken'))
    expect(arrived).toBeInstanceOf(Error)
    expect([arrived.name, arrived.message, arrived.code]).toEqual(['DriverError', 'broken', 'E42'])
    expect(arrived.detail).toEqual({ table: 't', rows: [1n] })
    expect(Buffer.isBuffer(arrived.query)).toBe(true)
    expect(String(arrived)).toBe('DriverError: broken')
  })

  it('leaves behind the fields that can not travel, and no others', () => {
    const sent = Object.assign(new Error('m'), {
      a: 1,
      f() {},
      s: Symbol('s'),
      deep: { f() {} },
      weak: new WeakMap(),
      z: 2,
    })
    expect({ ...trip(sent) }).toEqual({ a: 1, z: 2 })
  })

  it('costs no more where its fields have much in common', () => {
    const much = Array(100_000).fill('x')
    const fields = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`field ${i}`, much]))
    const from = performance.now()
    expect(Object.keys(toWireError(Object.assign(new Error('x'), fields)).fields)).toHaveLength(300)
    expect(performance.now() - from).toBeLessThan(3000)
  })

  it("keeps a system error's code, errno and syscall", () => {
    const sent = Object.assign(new Error('connect ECONNREFUSED'), {
      errno: -111,
      code: 'ECONNREFUSED',
      syscall: 'connect',
    })
    expect(trip(sent)).toMatchObject({ errno: -111, code: 'ECONNREFUSED', syscall: 'connect' })
  })

  it('keeps the name by which an abort is known', () => {
    expect(trip(AbortSignal.abort().reason).name).toBe('AbortError')
  })

  it("is not taken for the library's own because a driver's class, or a signal's reason, has the same name", () => {
    const Theirs = { TimeoutError: class TimeoutError extends Error {} }.TimeoutError
    const arrived = trip(new Theirs('socket timeout'))
    expect(arrived).not.toBeInstanceOf(PoolError)
    expect(arrived.name).toBe('TimeoutError')
    expect(trip(new DOMException('too late', 'TimeoutError'))).not.toBeInstanceOf(PoolError)
  })

  it("is pg's DatabaseError where pg is loaded, with all that the server said", () => {
    const sent = Object.assign(new pg.DatabaseError('duplicate key', 10, 'error'), {
      severity: 'ERROR',
      code: '23505',
      constraint: 'accounts_pkey',
    })
    const arrived = trip<pg.DatabaseError>(sent)
    expect(arrived).toBeInstanceOf(pg.DatabaseError)
    expect(arrived).toMatchObject({
      code: '23505',
      severity: 'ERROR',
      constraint: 'accounts_pkey',
      message: 'duplicate key',
    })
  })

  it('keeps its chain of causes, each of its own class', () => {
    const sent = new Error('a', { cause: new TypeError('b', { cause: new DriverError('c', { cause: 'a word' }) }) })
    const arrived = trip(sent)
    const second = arrived.cause as Error
    const third = second.cause as DriverError
    expect(second).toBeInstanceOf(TypeError)
    expect([third.name, third.code, third.cause]).toEqual(['DriverError', 'E42', 'a word'])
  })

  it('has no cause when it had none, nor one that can not travel', () => {
    expect('cause' in trip(new Error('a'))).toBe(false)
    expect(trip(new Error('a', { cause: () => {} })).cause).toBeUndefined()
  })

  it('keeps the errors of an AggregateError, each of its own class', () => {
    const arrived = trip<AggregateError>(new AggregateError([new DriverError('1'), new TypeError('2'), 'three'], 'all'))
    expect(arrived).toBeInstanceOf(AggregateError)
    expect(arrived.message).toBe('all')
    expect(arrived.errors[0]).toMatchObject({ name: 'DriverError', code: 'E42' })
    expect(arrived.errors[1]).toBeInstanceOf(TypeError)
    expect(arrived.errors[2]).toBe('three')
  })

  it('may be its own cause, or one of its own errors: the chain ends somewhere', () => {
    const ring = new Error('ring')
    ring.cause = ring
    expect(trip(ring).message).toBe('ring')
    const knot = new AggregateError([], 'knot')
    knot.errors.push(knot, ring)
    expect(trip<AggregateError>(knot).errors[1]).toBeInstanceOf(Error)
  })

  it.each([
    ['a text', 'text'],
    ['a number', 42],
    ['undefined', undefined],
    ['null', null],
    ['an object', { code: 1 }],
  ])('may be no error at all: %s arrives as it is', (_kind, thrown) => {
    expect(trip<unknown>(thrown)).toEqual(thrown)
  })

  it.each([
    ['a function', () => {}],
    ['a symbol', Symbol('s')],
    ['an object with a function in it', { f() {} }],
    [
      'an object that can not even be a text',
      Object.create(null, { f: { value: () => {}, enumerable: true } }) as object,
    ],
    [
      'an error with a field that throws',
      Object.defineProperty(new Error('m'), 'x', { enumerable: true, get: () => never() }),
    ],
    ['an error without a class', Object.assign(new Error('m'), { constructor: undefined })],
    ['an error whose stack is none', Object.defineProperty(new Error('m'), 'stack', { value: () => {} })],
    ['an error whose message is a symbol', Object.defineProperty(new Error('m'), 'message', { value: Symbol('m') })],
  ])('always can, whatever it is: %s', (_kind, thrown) => {
    expect(() => trip(thrown)).not.toThrow()
  })
})

function never(): never {
  throw new Error('do not read me')
}
