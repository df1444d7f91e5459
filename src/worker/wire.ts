import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { CoordinatorLostError } from '../base/errors.ts'
import { collectGarbage } from '../base/garbage.ts'
import { letGo } from '../fairies/lost-fairies.ts'
import { type Control, ControlClient } from '../protocol/control.ts'
import { kind, type Welcome } from '../protocol/messages.ts'
import type { SlotTable } from '../slots/slot-table.ts'
import { RemoteCaller } from '../transports/remote-caller.ts'
import { DeadlockGuard } from './deadlock-guard.ts'
import { DirectStatements } from './direct-statements.ts'
import { heldThrough } from './held.ts'
import { Lanes } from './lanes.ts'
import { Lessee } from './lessee.ts'
import { Listeners } from './listeners.ts'
import { RemoteHandle } from './remote-handle.ts'

/** All that one attached thread has of a pool: both wires, the slot table, and what the coordinator said in welcome. */
export class Wire {
  readonly caller: RemoteCaller
  readonly lessee: Lessee
  readonly listeners: Listeners = new Listeners((verb, event) => this.control(verb, event))
  readonly table: SlotTable
  readonly welcome: Welcome
  /** Where this thread runs the driver itself (transport `direct`). */
  lanes: Lanes | undefined
  /** And its statements of `pool.query()` as well. */
  statements: DirectStatements | undefined
  /** How many fairies over this pool's leases this thread has forgotten so far: each lease that ends by that says so. */
  forgotten = 0
  readonly #guard: DeadlockGuard = new DeadlockGuard(this)
  #control: ControlClient | undefined

  constructor(port: MessagePort, table: SlotTable, welcome: Welcome, onLost: () => void) {
    this.table = table
    this.welcome = welcome
    this.caller = new RemoteCaller(port, {
      granted: (ask, lease, isOffer) => this.lessee.granted(ask, lease, isOffer),
      refused: (ask, error) => this.lessee.refused(ask, error),
      dismissed: ask => this.lessee.dismissed(ask),
      noticed: notice => this.listeners.tell(notice),
      collect: () => void this.#collect(),
      watched: id => this.#guard.watch(id),
      deadlocked: (id, error) => this.#guard.fail(id, error),
      inquired: () => this.caller.tell([kind.held, heldThrough(this)]),
      letGo: () => this.lanes?.sweep(),
      stayed: (lease, target, parent) => RemoteHandle.over(this, lease, target, parent),
      lost: error => {
        this.#control?.lose(error)
        this.lessee.lose(error)
        this.statements?.lose(error)
        this.lanes?.close()
        onLost()
      },
    })
    this.lessee = new Lessee(table, this.caller, welcome)
  }

  /** Chooses the best transport that both ends have, and says which. Before the first claim: others must know who reads. */
  async reach(): Promise<void> {
    const lanes = await Lanes.load(this.table, this.caller, this.welcome)
    if (this.lost) return
    if (typeof lanes === 'string') return this.caller.tell([kind.transport, 'remote', lanes])
    this.lanes = lanes
    if (this.welcome.pipelines && lanes.statement) this.statements = new DirectStatements(this, lanes, lanes.statement)
    this.table.sessions.setDirect(this.welcome.session)
    this.lessee.peeks()
    this.caller.tell([kind.transport, 'direct', undefined])
  }

  get lost(): CoordinatorLostError | undefined {
    return this.caller.lost
  }

  /** A call over the control plane; its port is made at the first. */
  control<N extends keyof Control>(name: N, ...args: Parameters<Control[N]>): Promise<Awaited<ReturnType<Control[N]>>> {
    if (this.lost) return Promise.reject(this.lost)
    this.#control ??= this.#openControl()
    return this.#control.call(name, ...args)
  }

  /** What it finds has been given back, or is on its way, before the answer. */
  async #collect(): Promise<void> {
    const before = this.forgotten
    letGo()
    const pauseMs = await collectGarbage()
    this.caller.tell([kind.collected, this.forgotten - before, pauseMs])
  }

  #openControl(): ControlClient {
    const { port1, port2 } = new MessageChannel()
    this.caller.transfer([kind.control, port2], port2)
    return new ControlClient(port1)
  }
}
