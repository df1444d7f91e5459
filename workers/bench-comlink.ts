import { workerData } from 'node:worker_threads'
import { wrap } from 'comlink'
import type { PortData } from '../bench/crew.ts'
import { checkAnswer, question } from '../bench/question.ts'
import { type ComlinkSteps, endpointOf } from '../bench/rivals/comlink-calls.ts'
import { answerRounds } from '../bench/thread.ts'

const { port } = workerData as PortData
const steps = wrap<ComlinkSteps>(endpointOf(port))

answerRounds(async (id, rows, granted) => {
  const client = await steps.checkout()
  granted()
  try {
    checkAnswer(id, rows, await steps.query(client, question(id, rows)))
  } finally {
    await steps.close(client)
  }
})
