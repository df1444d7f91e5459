import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Item, readItems } from './items.ts'
import { behavioursOf } from './numbers.ts'
import { type Reason, reasons } from './reasons.ts'
import { testsOf } from './titles.ts'

export type Verdict = 'proved' | Reason['verdict'] | 'open'

/** One behaviour, and what stands for it. */
export interface Coverage extends Item {
  readonly verdict: Verdict
  /** Why it is not simply proved. */
  readonly reason: string | undefined
  /** The tests that name it: `file: title`. */
  readonly tests: readonly string[]
}

const folder = fileURLToPath(new URL('../../../test', import.meta.url))

/** All behaviours, each with the tests that name it and what is said about it by hand. */
export function coverage(): readonly Coverage[] {
  const tests = testsByNumber()
  const byHand = new Map(reasons.map(reason => [reason.number, reason]))
  return readItems().map(item => {
    const own = tests.get(item.number) ?? []
    const reason = byHand.get(item.number)
    const verdict = reason?.verdict ?? (own.length > 0 ? 'proved' : 'open')
    return { ...item, verdict, reason: reason?.reason, tests: own }
  })
}

/** A number in the title of a `describe` is proved by each of its tests, and listed once. */
function testsByNumber(): ReadonlyMap<number, readonly string[]> {
  const tests = new Map<number, Set<string>>()
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.test.ts')) continue
    for (const { titles } of testsOf(readFileSync(`${folder}/${file}`, 'utf8'))) {
      for (const title of titles) {
        for (const number of behavioursOf(title)) {
          tests.set(number, (tests.get(number) ?? new Set()).add(`${file}: ${title}`))
        }
      }
    }
  }
  return new Map([...tests].map(([number, names]) => [number, [...names]]))
}
