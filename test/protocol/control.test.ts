import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { CoordinatorLostError, InvalidRequestError, NotClonableError } from '../../src/base/errors.ts'
import { type Control, ControlClient, exposeControl } from '../../src/protocol/control.ts'
import { eventually } from '../support/eventually.ts'
import { failureOf, settle } from '../support/observe.ts'

const counts = { poolSize: 4, checkedin: 1, overflow: -3, checkedout: 0, waiting: 0 }

function control(): { readonly [N in keyof Control]: ReturnType<typeof vi.fn<Control[N]>> } {
  return {
    status: vi.fn(() => ({ counts, label: undefined, transports: [] })),
    holders: vi.fn(async () => []),
    suspend: vi.fn(),
    resume: vi.fn(),
    recreate: vi.fn(),
    listen: vi.fn(),
    unlisten: vi.fn(),
    dispose: vi.fn(async () => {}),
    invalidate: vi.fn(() => {}),
    infoGet: vi.fn((_lease, _kind, key) => `value of ${key}`),
    infoSet: vi.fn(() => {}),
    infoHas: vi.fn(() => true),
    infoDelete: vi.fn(() => {
      throw new InvalidRequestError('not yours')
    }),
    infoClear: vi.fn(() => {}),
  }
}

function exposed(): {
  readonly served: ReturnType<typeof control>
  readonly port: MessagePort
  readonly far: MessagePort
} {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const served = control()
  exposeControl(served, port1)
  return { served, port: port2, far: port1 }
}

const callsOf = (served: ReturnType<typeof control>): number =>
  Object.values(served).reduce((sum, method) => sum + method.mock.calls.length, 0)

describe('a call over the control plane', () => {
  it('reaches its method with its arguments, and brings back the result', async () => {
    const { served, port } = exposed()
    const client = new ControlClient(port)
    expect(await client.call('status')).toEqual({ counts, label: undefined, transports: [] })
    expect(await client.call('infoGet', 5, 'recordInfo', 'colour')).toBe('value of colour')
    expect(await client.call('dispose')).toBeUndefined()
    expect(served.infoGet.mock.calls).toEqual([[5, 'recordInfo', 'colour']])
    expect(served.dispose).toHaveBeenCalledOnce()
  })

  it('fails as the method fails: class, code and message', async () => {
    const client = new ControlClient(exposed().port)
    const error = await failureOf(client.call('infoDelete', 5, 'info', 'colour'))
    expect(error).toBeInstanceOf(InvalidRequestError)
    expect(error).toMatchObject({ code: 'FAIRYPOOL_INVALID_REQUEST', message: 'not yours' })
  })

  it('whose argument can not be cloned fails by itself, and the next goes through', async () => {
    const { served, port } = exposed()
    const client = new ControlClient(port)
    expect(await failureOf(client.call('infoSet', 5, 'info', 'colour', () => {}))).toBeInstanceOf(NotClonableError)
    expect(served.infoSet).not.toHaveBeenCalled()
    expect(await client.call('infoHas', 5, 'info', 'colour')).toBe(true)
  })

  it('keeps a Buffer a Buffer, as argument and as result', async () => {
    const { served, port } = exposed()
    served.infoGet.mockImplementation(() => ({ bytes: Buffer.from('there') }))
    const client = new ControlClient(port)
    await client.call('infoSet', 5, 'info', 'key', Buffer.from('here'))
    expect(Buffer.isBuffer(served.infoSet.mock.calls[0]![3])).toBe(true)
    const back = (await client.call('infoGet', 5, 'info', 'key')) as { bytes: Buffer }
    expect([Buffer.isBuffer(back.bytes), String(back.bytes)]).toEqual([true, 'there'])
  })

  it('whose result can not be cloned fails, and the next goes through', async () => {
    const { served, port } = exposed()
    served.infoGet.mockImplementationOnce(() => () => {})
    const client = new ControlClient(port)
    expect(await failureOf(client.call('infoGet', 5, 'info', 'colour'))).toBeInstanceOf(Error)
    expect(await client.call('infoHas', 5, 'info', 'colour')).toBe(true)
  })

  it('rejects when the port dies while the answer is due, all of them', async () => {
    const { served, port, far } = exposed()
    served.dispose.mockImplementation(() => new Promise(() => {}))
    const client = new ControlClient(port)
    const failures = [client.call('dispose'), client.call('dispose')].map(failureOf)
    await settle()
    far.close()
    const lost = new CoordinatorLostError('gone')
    client.lose(lost)
    expect(await Promise.all(failures)).toEqual([lost, lost])
    expect(await failureOf(client.call('status'))).toBe(lost)
  })

  it('settles by itself when only its own port dies', async () => {
    const { served, port, far } = exposed()
    served.dispose.mockImplementation(() => new Promise(() => {}))
    const client = new ControlClient(port)
    const failure = failureOf(client.call('dispose'))
    await settle()
    far.close()
    expect(await Promise.race([failure, settle(20)])).toBeInstanceOf(CoordinatorLostError)
  })
})

describe('anything else than a plain call of a listed method', () => {
  const noArguments = { type: 'RAW', value: { value: [] } }
  const apply = (path: unknown): object => ({ type: 'APPLY', path, argumentList: [noArguments] })
  it.each<[what: string, message: unknown]>([
    ['the root', apply([])],
    ['a path of two', apply(['status', 'call'])],
    ['a way to the constructor', apply(['constructor'])],
    ['a way to Function', apply(['status', 'constructor'])],
    ['__proto__', apply(['__proto__'])],
    ['what every object has', apply(['toString'])],
    ['an unknown method', apply(['shutdown'])],
    ['a path that is none', apply('status')],
    ['no path', apply(undefined)],
    ['a GET of a method', { type: 'GET', path: ['status'] }],
    ['a GET of the root', { type: 'GET', path: [] }],
    ['a SET', { type: 'SET', path: ['status'], value: { type: 'RAW', value: 1 } }],
    ['a SET on the prototype', { type: 'SET', path: ['__proto__', 'status'], value: { type: 'RAW', value: 1 } }],
    ['a CONSTRUCT', { type: 'CONSTRUCT', path: ['status'], argumentList: [] }],
    ['an ENDPOINT', { type: 'ENDPOINT', path: [] }],
    ['a RELEASE', { type: 'RELEASE', path: [] }],
    ...['GET', 'SET', 'CONSTRUCT', 'ENDPOINT', 'RELEASE', 'EVAL', 7, null].map((type): [string, unknown] => [
      `what is a call but for its type, ${type}`,
      { ...apply(['status']), type },
    ]),
    ['null', null],
    ['a text', 'status'],
    ['nothing', undefined],
    ['an array', ['APPLY', ['status']]],
  ])('reaches nothing and gets no answer: %s', async (_what, message) => {
    const { served, port } = exposed()
    const answers: unknown[] = []
    port.on('message', answer => answers.push(answer))
    port.postMessage(typeof message === 'object' && message !== null ? { id: '1', ...message } : message)
    await settle()
    expect(callsOf(served)).toBe(0)
    expect(answers).toEqual([])
    // And the plane is still there for those who call.
    port.postMessage({ id: '2', ...apply(['status']) })
    await settle()
    expect(served.status).toHaveBeenCalledOnce()
    expect(answers).toEqual([expect.objectContaining({ id: '2' })])
  })
})

describe('a plain call is made anew before Comlink sees it', () => {
  const argument = { type: 'RAW', value: { value: [], more: 7 } }
  const call = { id: '1', type: 'APPLY', path: ['status'], argumentList: [argument], more: 7 }
  it.each<[what: string, odd: object]>([
    ['a path with methods of its own', { path: Object.assign(['status'], { slice: 7, reduce: 7, map: 7 }) }],
    ['a list with methods of its own', { argumentList: Object.assign([argument], { map: 7 }) }],
    ['an argument that is to be thrown', { argumentList: [{ ...argument, type: 'HANDLER', name: 'throw' }] }],
    ['an argument that is to be a port', { argumentList: [{ ...argument, type: 'HANDLER', name: 'proxy' }] }],
    ['an argument of a kind that there is not', { argumentList: [{ ...argument, type: 'HANDLER', name: 'nobody' }] }],
    ['an argument of no kind', { argumentList: [{ value: argument.value }] }],
  ])('%s', async (_what, odd) => {
    const { served, port } = exposed()
    const answers: unknown[] = []
    port.on('message', answer => answers.push(answer))
    port.postMessage({ ...call, ...odd })
    await settle()
    expect(served.status.mock.calls).toEqual([[]])
    const ok = expect.objectContaining({ value: expect.objectContaining({ counts }) })
    expect(answers).toEqual([expect.objectContaining({ id: '1', type: 'RAW', value: { ok } })])
  })
})

it('ports that come along are closed', async () => {
  const { port } = exposed()
  const { port1, port2 } = new MessageChannel()
  const closed = vi.fn()
  port1.once('close', closed)
  port.postMessage('anything', [port2])
  await eventually(() => closed.mock.calls.length).toBe(1)
})
