import { MessagePort } from 'node:worker_threads'
import type { Hello } from './messages.ts'

/** No pool's name is longer, as far as strangers are concerned. */
const longestName = 1000

/**
 * What another thread says when it attaches. Who it is, is not its to say: `source` is the thread that Node has had the message
 * from. Undefined: it is not for this library, or has no port by which it could be answered.
 */
export function helloOf(message: unknown, source: number): Hello | undefined {
  const { fairypool, name, port } = Object(message) as Partial<Record<keyof Hello, unknown>>
  if (fairypool !== 'attach' || !(port instanceof MessagePort)) return undefined
  const isName = typeof name === 'string' && name.length <= longestName
  return { fairypool, name: isName ? name : '', threadId: source, port }
}
