import { mostCells, type Position } from './position.ts'
import type { Messages, Step } from './replay.ts'

/** All that there is at one moment: the words, the messages under way, where each thread is, who is dead, who holds what. */
export class World {
  /** By number in the exploration; each as its difference from the first value, so that one nobody has looked at yet is 0. */
  readonly cells: Int32Array
  /** By slot's cell: 1 + the thread that holds its connection. */
  readonly holders: Int32Array
  /** Messages by receiver and sender, in the order of sending. */
  readonly mail: (readonly number[])[]
  readonly positions: Position[]
  dead: number
  /** By thread: 1 + the cell that it listens to. */
  readonly listeners: Int32Array
  /** The coordinator has looked by itself, and no other thread has done anything since. */
  hasLooked: boolean

  constructor(positions: Position[], from?: World) {
    this.cells = from ? from.cells.slice() : new Int32Array(mostCells)
    this.holders = from ? from.holders.slice() : new Int32Array(mostCells)
    this.mail = from ? from.mail.slice() : positions.flatMap(() => positions.map(() => []))
    this.positions = positions
    this.dead = from?.dead ?? 0
    this.listeners = from ? from.listeners.slice() : new Int32Array(positions.length)
    this.hasLooked = from?.hasLooked ?? false
  }

  copy(): World {
    return new World(this.positions.slice(), this)
  }

  isDead(thread: number): boolean {
    return ((this.dead >> thread) & 1) === 1
  }

  /** The senders from whom a thread has a message. */
  senders(receiver: number): number[] {
    const { length } = this.positions
    const senders: number[] = []
    for (let sender = 0; sender < length; sender++) {
      if (this.mail[receiver * length + sender]!.length > 0) senders.push(sender)
    }
    return senders
  }

  post(receiver: number, sender: number, message: number): void {
    const box = receiver * this.positions.length + sender
    this.mail[box] = [...this.mail[box]!, message]
  }

  take(receiver: number, sender: number): number {
    const box = receiver * this.positions.length + sender
    const [first, ...rest] = this.mail[box]!
    this.mail[box] = rest
    return first!
  }

  /** What of a sender's messages is still under way never arrives. */
  lose(sender: number): void {
    const { length } = this.positions
    for (let receiver = 0; receiver < length; receiver++) this.mail[receiver * length + sender] = []
  }

  /** 53 bits that stand for this world, as far as its future goes. */
  hash(cells: number, also: number): number {
    let [a, b] = [also | 0, 0x9e3779b9 | 0]
    const mix = (value: number): void => {
      a = Math.imul(a ^ value, 0x85ebca6b)
      a ^= a >>> 15
      b = Math.imul(b + value, 0xc2b2ae35) ^ (b >>> 13)
      b = (b + a) | 0
    }
    mix(this.dead)
    mix(this.hasLooked ? 1 : 0)
    for (const cell of this.listeners) mix(cell)
    for (const position of this.positions) mix(position.id)
    for (let cell = 0; cell < cells; cell++) {
      mix(this.cells[cell]!)
      mix(this.holders[cell]!)
    }
    for (const box of this.mail) {
      mix(box.length)
      for (const message of box) mix(message)
    }
    return (a >>> 0) * 2 ** 21 + (b >>> 11)
  }
}

/** One step of a schedule, as it happened. */
export interface Happened {
  readonly thread: number
  readonly step: Step | 'dies' | 'dies, and its messages with it'
  readonly result: number
}

/** A run in which something went wrong. */
export interface Counterexample {
  readonly fault: string
  readonly schedule: readonly Happened[]
  readonly messages: Messages
}
