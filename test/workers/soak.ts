import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Client } from 'pg'
import { letGo } from '../../src/fairies/lost-fairies.ts'
import { attach } from '../../src/worker/attach.ts'
import type { FromHand, HandData, ToHand } from '../soak/hand.ts'
import { newTally, Player } from '../soak/player.ts'

/** One thread of a soak: it plays, rests or dies as it is told. */
const { seed, number, tasks, tally } = workerData as HandData
const port = parentPort!
const tell = (word: FromHand): void => port.postMessage(word)

// A listener that is added again and again is a leak.
process.on('warning', ({ name, stack }) => {
  if (name === 'MaxListenersExceededWarning') tell({ fault: { chore: 'any', text: `${stack}` } })
})

const pool = await attach<Client>()
const player = new Player({ pool, number, seed, tasks, tally: newTally(tally), onFault: fault => tell({ fault }) })

async function rest(): Promise<void> {
  await player.rest()
  // What is lost now is seen now: nobody may be young any more.
  letGo()
  for (let sweep = 0; sweep < 3; sweep++) {
    await setImmediate()
    globalThis.gc!()
  }
  tell({ heap: process.memoryUsage().heapUsed })
}

port.on('message', (order: ToHand) => {
  if (order === 'play') player.play()
  else if (order === 'rest') void rest()
  else if (order === 'exit') process.exit(3)
  else throw new Error('on purpose')
})
tell('ready')
