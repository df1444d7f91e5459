import { once } from 'node:events'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type FlushTime, Mailbox } from '../../src/protocol/mailbox.ts'
import { settle } from '../support/observe.ts'

interface End {
  readonly mailbox: Mailbox<unknown, unknown>
  readonly port: MessagePort
  readonly log: string[]
}

function end(port: MessagePort, flushTime: FlushTime): End {
  const log: string[] = []
  const mailbox = new Mailbox<unknown, unknown>(
    port,
    {
      receive: message => log.push(`received ${String(message)}`),
      unsendable: (message, error) => log.push(`unsendable ${String(message)}: ${(error as Error).name}`),
      closed: () => log.push('closed'),
    },
    flushTime,
  )
  return { mailbox, port, log }
}

function pair(flushTime: FlushTime = 'microtask'): [End, End] {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  return [end(port1, flushTime), end(port2, flushTime)]
}

/** The posts that arrive at a bare port, each an array of messages. */
function posts(flushTime: FlushTime): { readonly mailbox: Mailbox<unknown, unknown>; readonly arrived: unknown[] } {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const arrived: unknown[] = []
  port2.on('message', post => arrived.push(post))
  return { mailbox: end(port1, flushTime).mailbox, arrived }
}

describe.each<FlushTime>(['microtask', 'immediate'])('a mailbox that flushes by %s', flushTime => {
  it('sends the messages of one tick in one post, in their order', async () => {
    const { mailbox, arrived } = posts(flushTime)
    for (const message of ['a', 'b', 'c']) mailbox.post(message)
    await settle()
    mailbox.post('d')
    await settle()
    expect(arrived).toEqual([['a', 'b', 'c'], ['d']])
  })

  it('delivers to the other end one by one, in their order', async () => {
    const [here, there] = pair(flushTime)
    for (let i = 0; i < 5; i++) here.mailbox.post(i)
    await settle()
    expect(there.log).toEqual([0, 1, 2, 3, 4].map(i => `received ${i}`))
  })

  it('lets one that can not be cloned harm nobody else: its sender is told, the others arrive', async () => {
    const [here, there] = pair(flushTime)
    const stuck = Object.assign(() => {}, { toString: () => 'stuck' })
    for (const message of ['a', stuck, 'b']) here.mailbox.post(message)
    await settle()
    here.mailbox.post('c')
    await settle()
    expect(here.log).toEqual(['unsendable stuck: DataCloneError'])
    expect(there.log).toEqual(['received a', 'received b', 'received c'])
  })

  it('sends what is in the outbox before it closes, and tells both ends once', async () => {
    const [here, there] = pair(flushTime)
    here.mailbox.post('last words')
    here.mailbox.close()
    here.mailbox.close()
    await settle()
    expect(there.log).toEqual(['received last words', 'closed'])
    expect(here.log).toEqual(['closed'])
  })
})

describe('a mailbox', () => {
  it('hears all that was said before the end, then that it was the end, once', async () => {
    const [here, there] = pair()
    for (let i = 0; i < 100; i++) {
      here.port.postMessage([i])
      if (i % 7 === 0) await settle(1)
    }
    here.port.close()
    await settle()
    expect(there.log).toEqual([...Array.from({ length: 100 }, (_, i) => `received ${i}`), 'closed'])
  })

  it('drops what is posted after the end, and fails nobody', async () => {
    const [here, there] = pair()
    there.port.close()
    await settle()
    here.mailbox.post('to nobody')
    here.mailbox.transfer('to nobody', new MessageChannel().port1)
    await settle()
    expect(here.log).toEqual(['closed'])
    expect(there.log).toEqual(['closed'])
  })

  it('hands over a port after the messages before it', async () => {
    const { port1, port2 } = new MessageChannel()
    onTestFinished(() => port1.close())
    const order: unknown[] = []
    let handed: MessagePort | undefined
    const owner = {
      receive: (message: unknown) => {
        order.push(Array.isArray(message) ? message[0] : message)
        if (Array.isArray(message)) handed = message[1] as MessagePort
      },
      unsendable: () => {},
      closed: () => {},
    }
    const there = new Mailbox<unknown, unknown>(port2, owner, 'microtask')
    const here = end(port1, 'microtask').mailbox
    const extra = new MessageChannel()
    here.post('before')
    here.transfer(['port', extra.port2], extra.port2)
    here.post('after')
    await settle()
    there.keepAlive(false)
    expect(order).toEqual(['before', 'port', 'after'])
    extra.port1.postMessage('hello')
    expect(await once(handed!, 'message')).toEqual(['hello'])
    extra.port1.close()
  })

  it('flushes by microtask before its thread can go to sleep in any way', async () => {
    const { port1, port2 } = new MessageChannel()
    onTestFinished(() => port1.close())
    const here = end(port1, 'microtask').mailbox
    let posted = false
    const { postMessage } = port1
    port1.postMessage = (...args: Parameters<typeof postMessage>) => {
      posted = true
      postMessage.apply(port1, args)
    }
    here.post('answer me')
    expect(posted).toBe(false)
    await undefined
    expect(posted).toBe(true)
    port2.close()
  })
})

describe('whatever another thread posts', () => {
  it('is received only where it is a list of messages, and only up to the first gap', async () => {
    const [here, there] = pair()
    for (const post of ['text', 7, null, { 0: 'a', length: 1 }, new Set(['a'])]) here.port.postMessage(post)
    here.port.postMessage(Object.assign(['a', 'b'], { 3: 'd' }))
    here.port.postMessage(['e', undefined, 'f'])
    here.port.postMessage(['g'])
    await settle()
    expect(there.log).toEqual(['a', 'b', 'e', 'g'].map(each => `received ${each}`))
  })

  it('is received a thousand messages at a time, in their order: in between others have their turn', async () => {
    const [here, there] = pair()
    const counts: number[] = []
    there.port.on('message', () => counts.push(there.log.length))
    here.port.postMessage(Array.from({ length: 2500 }, (_, i) => i))
    here.port.postMessage(['last'])
    await settle(10)
    expect(counts).toEqual([1000, 1000])
    expect(there.log).toEqual([...Array.from({ length: 2500 }, (_, i) => `received ${i}`), 'received last'])
  })
})
