import { MessagePort } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** The data plane's posts of this thread, until the test has ended: of each, the kinds of its messages. */
export function countPosts(): number[][] {
  const posts: number[][] = []
  const { postMessage } = MessagePort.prototype
  MessagePort.prototype.postMessage = function (this: MessagePort, ...args: Parameters<typeof postMessage>) {
    // Posts of the data plane are lists of messages, and no others are.
    const [message] = args as [unknown]
    if (Array.isArray(message)) posts.push((message as [number][]).map(([kind]) => kind))
    return Reflect.apply(postMessage, this, args)
  } as typeof postMessage
  onTestFinished(() => {
    MessagePort.prototype.postMessage = postMessage
  })
  return posts
}
