import { InvalidRequestError } from '../base/errors.ts'
import type { BatchReader } from '../dialects/dialect.ts'
import type { InfoMap, Loan, ResetAgent } from '../fairies/loan.ts'
import type { Checkout } from './checkout.ts'
import type { ConnectionRecord } from './record.ts'

/**
 * The loan behind the fairy that reset listeners and the dialect's reset get: the caller's own has ended or is in another
 * thread (behaviours 12, 143, 271). It reaches the raw connection, and closing it means nothing.
 */
export class StandIn<C extends object> implements Loan<C> {
  readonly lease: number
  readonly generation: number
  readonly connection: C
  readonly info: InfoMap | undefined
  readonly recordInfo: InfoMap | undefined
  resetAgent: ResetAgent | undefined = undefined
  place = -1
  readonly #record: ConnectionRecord<C> | undefined

  constructor(checkout: Checkout<C>, record: ConnectionRecord<C> | undefined, connection: C) {
    this.lease = checkout.lease
    this.generation = checkout.generation
    this.connection = connection
    this.info = record ? record.info : checkout.ownInfo
    this.recordInfo = record?.recordInfo
    this.#record = record
  }

  get isOut(): boolean {
    return false
  }

  get isValid(): boolean {
    return true
  }

  member(name: string | symbol): unknown {
    const member: unknown = Reflect.get(this.connection, name, this.connection)
    return typeof member === 'function' ? member.bind(this.connection) : member
  }

  read(): BatchReader {
    throw new InvalidRequestError("A connection that is being reset can't open a cursor.")
  }

  end(): void {}

  invalidate(error: unknown, soft: boolean): Promise<void> | undefined {
    return this.#record?.invalidate(error, { soft })
  }

  detach(): void {}
}
