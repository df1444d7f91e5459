import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { expect, it, onTestFinished, vi } from 'vitest'
import { closeStrayPorts } from '../../src/protocol/stray-ports.ts'
import { eventually } from '../support/eventually.ts'

/** A port to send along, and what is told when it is closed at its other end. */
function stray(): { readonly port: MessagePort; readonly closed: ReturnType<typeof vi.fn<() => void>> } {
  const { port1, port2 } = new MessageChannel()
  const closed = vi.fn<() => void>()
  port1.once('close', closed)
  // With something in it, a port that nobody reads would never learn that its other end is gone.
  port1.postMessage('read me')
  onTestFinished(() => port1.close())
  return { port: port2, closed }
}

it('of the ports that come with a message those are closed that nobody wants, and it is asked with what they came in', async () => {
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => port1.close())
  const asked: unknown[] = []
  closeStrayPorts(port2, (port, message) => {
    asked.push(message)
    return (message as { readonly wanted: unknown }).wanted === port
  })
  const [one, two, three] = [stray(), stray(), stray()]
  port1.postMessage({ wanted: two.port, deep: [one.port] }, [one.port, two.port])
  port1.postMessage({ hidden: true }, [three.port])
  await eventually(() => [one.closed.mock.calls.length, three.closed.mock.calls.length]).toEqual([1, 1])
  expect(two.closed).not.toHaveBeenCalled()
  expect(asked).toMatchObject([{ deep: [{}] }, { deep: [{}] }, { hidden: true }])
})
