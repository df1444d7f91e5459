import { MessageChannel } from 'node:worker_threads'
import { beforeEach, describe, expect, it } from 'vitest'
import { ArgumentError } from '../../src/base/errors.ts'
import { isControlPort, portOf, Wall } from '../../src/coordinator/wall.ts'
import { kind } from '../../src/protocol/messages.ts'

const lost = { name: 'E', ours: false, message: 'm', stack: undefined, fields: {}, buffers: undefined }
const direct = [kind.transport, 'direct', undefined]
const remote = [kind.transport, 'remote', 'why']
/** What only a thread can know that runs the driver itself. */
const ofDirect = [
  [kind.failed, 1, lost],
  [kind.end, 0, 1, 'closed', true],
  [kind.end, 0, 1, 'closed', false],
]

let transports: { refused: number }
let lines: string[]
let pool: ConstructorParameters<typeof Wall>[0]

beforeEach(() => {
  transports = { refused: 0 }
  lines = []
  pool = { transports, log: { warn: (line: string) => lines.push(line) } } as never
})

describe('a request', () => {
  it('is admitted as it is', () => {
    const request = [kind.detach, 1, 2]
    expect(new Wall(pool, 9, false).admit(request)).toBe(request)
    expect(lines).toEqual([])
  })

  it('of no shape is refused', () => {
    expect(() => new Wall(pool, 9, false).admit([kind.detach, 1, 'x'])).toThrow(ArgumentError)
  })

  it('has a higher number than all before it; one without a number may come at any time', () => {
    const wall = new Wall(pool, 9, false)
    wall.admit([kind.ask, 5])
    wall.admit([kind.end, 0, 1, 'closed'])
    for (const id of [5, 4, 1]) {
      expect(() => wall.admit([kind.connect, id])).toThrow(`The number ${id} of a request has been used already.`)
    }
    wall.admit([kind.leave, 5])
    wall.admit([kind.detach, 6, 1])
    expect(() => wall.admit([kind.ask, 6])).toThrow('has been used already')
  })
})

describe('what only a thread can know that runs the driver itself', () => {
  it.each(ofDirect)('is believed of none that has not said so: kind %i', (...message) => {
    const wall = new Wall(pool, 9, true)
    expect(() => wall.admit(message)).toThrow('This thread has not said that it runs the driver.')
    wall.admit(remote)
    expect(() => wall.admit(message)).toThrow(ArgumentError)
    wall.admit(direct)
    expect(wall.admit(message)).toBe(message)
    wall.admit(remote)
    expect(() => wall.admit(message)).toThrow(ArgumentError)
  })

  it('is believed of nobody where no thread can', () => {
    const wall = new Wall(pool, 9, false)
    expect(() => wall.admit(direct)).toThrow('No thread runs the driver of this pool.')
    expect(() => wall.admit(ofDirect[0])).toThrow(ArgumentError)
  })
})

describe('what is refused', () => {
  it('is counted each time, and said of once', () => {
    const wall = new Wall(pool, 9, false)
    for (const message of [null, [kind.detach, 1, 'x'], [99]]) {
      expect(() => wall.admit(message)).toThrow()
      wall.refuse(message, new ArgumentError('no'), () => {})
    }
    wall.refuseControl()
    expect(transports.refused).toBe(4)
    expect(lines).toEqual([expect.stringContaining('thread 9 sends what no attached thread should: ')])
  })

  it('on the control plane is said of as well', () => {
    new Wall(pool, 9, false).refuseControl()
    expect(transports.refused).toBe(1)
    expect(lines).toEqual([expect.stringContaining('A message of the control plane was refused.')])
  })

  it('is answered under its number, and not at all where it has none or answers none', () => {
    const wall = new Wall(pool, 9, false)
    const answers: unknown[] = []
    const silent = [null, [kind.detach, 0, 1], [kind.detach, 'x'], [kind.release, 7], [kind.failure, 7], [99, 7]]
    for (const message of [...silent, [kind.detach, 7, 'x']])
      wall.refuse(message, new ArgumentError('no'), answer => answers.push(answer))
    expect(answers).toEqual([[kind.failure, 7, expect.objectContaining({ name: 'ArgumentError', message: 'no' })]])
  })
})

it('a port is wanted only in the message that is about it', () => {
  const { port1, port2 } = new MessageChannel()
  const isWanted = (post: unknown): boolean => isControlPort(port1, post)
  expect(isWanted([[kind.freed], [kind.control, port1]])).toBe(true)
  expect([[[kind.control, port2]], [[kind.held, port1]], [[port1]], [port1]].map(isWanted)).toEqual(
    Array(4).fill(false),
  )
  const noPosts = [{ 0: [kind.control, port1], length: 1 }, null, port1, [undefined, [kind.control, port1]]]
  expect(noPosts.map(isWanted)).toEqual(Array(4).fill(false))
  expect(portOf([kind.control, port1]) === port1).toBe(true)
  const others = [[kind.control, 7], [kind.held, port1], port1, null]
  expect(others.map(message => portOf(message) === undefined)).toEqual(Array(4).fill(true))
  port1.close()
})
