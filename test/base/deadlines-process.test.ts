import { MessageChannel } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { Deadlines } from '../../src/base/deadlines.ts'
import { runScript, sourceUrl } from '../support/run-script.ts'

/** Blocks this thread. */
const block = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

it('a loop that was blocked past a deadline reports nothing that was served in time (node-postgres#2262)', async () => {
  const { port1, port2 } = new MessageChannel()
  const deadlines = new Deadlines()
  const events: string[] = []
  const over = new Promise<void>(resolve => {
    const deadline = deadlines.arm(20, () => events.push('expired'))
    port2.once('message', () => {
      events.push('served')
      deadline.cancel()
      deadlines.arm(0, resolve)
    })
  })
  port1.postMessage('the answer')
  block(60)
  await over
  port1.close()
  expect(events).toEqual(['served'])
})

const imports = `import { deadlines } from '${sourceUrl('base/deadlines.js')}'`

it('a deadline that stands keeps the process alive until it has expired', async () => {
  const run = await runScript(`${imports}\n deadlines.arm(200, () => console.log('expired'))`)
  expect(run).toMatchObject({ code: 0, output: 'expired\n' })
})

it('a deadline that was cancelled keeps nothing alive', async () => {
  const run = await runScript(`${imports}\n deadlines.arm(60_000, () => console.log('expired')).cancel()`, 30_000)
  expect(run).toMatchObject({ code: 0, output: '' })
})

it('a later deadline takes hold of the process again, also behind a timer that was let go', async () => {
  const run = await runScript(`${imports}
    deadlines.arm(100, () => console.log('first')).cancel()
    deadlines.arm(300, () => console.log('second'))`)
  expect(run).toMatchObject({ code: 0, output: 'second\n' })
})
