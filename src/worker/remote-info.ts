import type { InfoMap } from '../fairies/loan.ts'
import type { InfoKind } from '../protocol/control.ts'
import type { Wire } from './wire.ts'

/** A record's map as a worker sees it: every method is a call over the control plane and returns a promise. */
export class RemoteInfo implements InfoMap {
  readonly #wire: Wire
  readonly #lease: number
  readonly #kind: InfoKind

  constructor(wire: Wire, lease: number, kind: InfoKind) {
    this.#wire = wire
    this.#lease = lease
    this.#kind = kind
  }

  get(key: string): Promise<unknown> {
    return this.#wire.control('infoGet', this.#lease, this.#kind, key)
  }

  async set(key: string, value: unknown): Promise<this> {
    await this.#wire.control('infoSet', this.#lease, this.#kind, key, value)
    return this
  }

  has(key: string): Promise<boolean> {
    return this.#wire.control('infoHas', this.#lease, this.#kind, key)
  }

  delete(key: string): Promise<boolean> {
    return this.#wire.control('infoDelete', this.#lease, this.#kind, key)
  }

  clear(): Promise<void> {
    return this.#wire.control('infoClear', this.#lease, this.#kind)
  }
}
