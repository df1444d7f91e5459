import { workerData } from 'node:worker_threads'
import type { PortData } from '../bench/crew.ts'
import { checkAnswer, question } from '../bench/question.ts'
import type { BareReply, BareRequest } from '../bench/rivals/bare-messages.ts'
import { answerRounds } from '../bench/thread.ts'

const { port } = workerData as PortData
const pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
let lastRequest = 0

port.on('message', ([id, failed, value]: BareReply) => {
  const entry = pending.get(id)!
  pending.delete(id)
  if (failed === undefined) entry.resolve(value)
  else entry.reject(new Error(failed))
})

const ask = (request: (id: number) => BareRequest): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const id = ++lastRequest
    pending.set(id, { resolve, reject })
    port.postMessage(request(id))
  })

answerRounds(async (id, rows, granted) => {
  const client = (await ask(request => ['checkout', request])) as number
  granted()
  try {
    const text = question(id, rows)
    checkAnswer(id, rows, (await ask(request => ['query', request, client, text])) as { rows: unknown[] })
  } finally {
    port.postMessage(['close', client] satisfies BareRequest)
  }
})
