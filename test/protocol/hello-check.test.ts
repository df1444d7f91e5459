import { MessageChannel } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import { helloOf } from '../../src/protocol/hello-check.ts'

it('a hello is one of this library that brings a port; who has sent it is not its to say', () => {
  const { port1: port } = new MessageChannel()
  onTestFinished(() => port.close())
  const hello = { fairypool: 'attach', name: 'default', threadId: 1, port }
  expect(helloOf(hello, 9)).toEqual({ ...hello, threadId: 9 })
  const others = [
    { ...hello, fairypool: 'detach' },
    { ...hello, fairypool: undefined },
    { ...hello, port: {} },
    null,
    7,
  ]
  expect(others.map(other => helloOf(other, 9))).toEqual(Array(5).fill(undefined))
  for (const name of [7, null, {}, 'x'.repeat(1001)]) expect(helloOf({ ...hello, name }, 9)!.name).toBe('')
})
