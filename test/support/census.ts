import { readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import { MessagePort } from 'node:worker_threads'
import { Session } from '../../src/coordinator/session.ts'
import { Checkout } from '../../src/pool/checkout.ts'

/** All that a dead thread could have left behind in this process. */
export interface Census {
  readonly descriptors: number
  readonly threads: number
  readonly listeners: number
  readonly ports: number
  readonly sessions: number
  readonly checkouts: number
}

const entries = (folder: string): number => (process.platform === 'linux' ? readdirSync(folder).length : 0)
// biome-ignore lint/complexity/noBannedTypes: any class will do
const living = (Class: Function): number => queryObjects(Class as never, { format: 'count' }) as unknown as number

/** Counts what is there once the garbage is gone. */
export async function census(): Promise<Census> {
  for (let sweep = 0; sweep < 2; sweep++) {
    await setImmediate()
    globalThis.gc!()
  }
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0)
  return {
    descriptors: entries('/proc/self/fd'),
    threads: entries('/proc/self/task'),
    listeners,
    ports: living(MessagePort),
    sessions: living(Session),
    checkouts: living(Checkout),
  }
}

/** What there is more of than in an earlier census. Less is well: what was on its way out then may be gone by now. */
export function growth(now: Census, earlier: Census): readonly string[] {
  const names = Object.keys(now) as (keyof Census)[]
  return names.filter(name => now[name] > earlier[name]).map(name => `${name}: ${earlier[name]}, then ${now[name]}`)
}
