import { kind } from '../../src/protocol/messages.ts'
import type { RemoteCaller } from '../../src/transports/remote-caller.ts'
import type { Lanes } from '../../src/worker/lanes.ts'
import type { TestWorker } from './test-worker.ts'

/** In a thread from now on: there is no descriptor to be had. */
export const withoutDescriptors = (worker: TestWorker): Promise<void> =>
  worker.run(async ({ load }, handover) => {
    const module = (await load('../../src/transports/remote-caller.js')) as { RemoteCaller: typeof RemoteCaller }
    const { prototype } = module.RemoteCaller
    const { ask } = prototype
    prototype.ask = function (this: RemoteCaller, message) {
      return message(0)[0] === handover ? Promise.resolve(undefined) : Reflect.apply(ask, this, [message])
    }
  }, kind.handover)

/** In a thread from now on: the driver can't be loaded. */
export const withoutDriver = (worker: TestWorker): Promise<void> =>
  worker.run(async ({ load }) => {
    const module = (await load('../../src/worker/lanes.js')) as { Lanes: typeof Lanes }
    const { load: open } = module.Lanes
    module.Lanes.load = (table, caller, welcome) => {
      const elsewhere = { ...welcome, handover: { module: 'file:///nowhere/pg-lane.js' } }
      return Reflect.apply(open, module.Lanes, [table, caller, elsewhere])
    }
  })
