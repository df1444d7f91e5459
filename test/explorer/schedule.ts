import { nameOfCell, nameOfValue } from './words.ts'
import type { Counterexample, Happened } from './world.ts'

const nameOfThread = (thread: number): string => (thread === 0 ? 'coordinator' : `thread ${thread}`)

/** A counterexample for people: the fault, and who did what in which order. */
export function print({ fault, schedule, messages }: Counterexample, threads: number): string {
  const say = ({ step, result }: Happened): string => {
    if (typeof step === 'string') return step
    const { what, cell, value, expected } = step
    if (what === 'send') return `sends ${messages.at(value).join(' ')} to ${nameOfThread(cell)}`
    if (what === 'take') {
      return `takes ${messages.at(Math.floor(result / threads)).join(' ')} of ${nameOfThread(result % threads)}`
    }
    const name = nameOfCell(cell)
    if (what === 'use') return `uses the connection of ${name.replace('word of ', '')}`
    if (what === 'load') return `reads ${name}: ${nameOfValue(cell, result)}`
    if (what === 'store') return `sets ${name} to ${nameOfValue(cell, value)}`
    if (what !== 'compareExchange') return `${what} ${value} to ${name}, which was ${result}`
    const change = `${name} from ${nameOfValue(cell, expected)} to ${nameOfValue(cell, value)}`
    return result === expected ? `swaps ${change}` : `fails to swap ${change}: it is ${nameOfValue(cell, result)}`
  }
  const lines = schedule.map(each => `  ${nameOfThread(each.thread).padEnd(11)}  ${say(each)}`)
  return [fault, ...lines].join('\n')
}
