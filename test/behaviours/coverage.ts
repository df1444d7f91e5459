import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Item, readItems } from './items.ts'
import { behavioursOf } from './numbers.ts'
import { type Reason, reasons } from './reasons.ts'
import { reasonsOfClasses } from './reasons-d-g.ts'
import { reasonsRest } from './reasons-rest.ts'
import { testsOf } from './titles.ts'

export type Verdict = 'proved' | Reason['verdict'] | 'open'

/** One behaviour, and what stands for it. */
export interface Coverage extends Item {
  readonly verdict: Verdict
  /** Why it is not simply proved. */
  readonly reason: string | undefined
  /** The tests that name it: `file: title`. */
  readonly tests: readonly string[]
  /** One of them looks at it from a real worker. */
  readonly isSeenFromWorker: boolean
}

const folder = fileURLToPath(new URL('../../../test', import.meta.url))

/** All behaviours, each with the tests that name it and what is said about it by hand. */
export function coverage(): readonly Coverage[] {
  const proofs = proofsByNumber()
  const byHand = new Map([...reasons, ...reasonsOfClasses, ...reasonsRest].map(reason => [reason.number, reason]))
  return readItems().map(item => {
    const own = proofs.get(item.number) ?? []
    const tests = [...new Set(own.map(proof => proof.test))]
    const reason = byHand.get(item.number)
    const verdict = reason?.verdict ?? (tests.length > 0 ? 'proved' : 'open')
    return { ...item, verdict, reason: reason?.reason, tests, isSeenFromWorker: own.some(proof => proof.isFromWorker) }
  })
}

interface Proof {
  readonly test: string
  readonly isFromWorker: boolean
}

/** A number in the title of a `describe` is proved by each of its tests. */
function proofsByNumber(): ReadonlyMap<number, readonly Proof[]> {
  const proofs = new Map<number, Proof[]>()
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!file.endsWith('.test.ts')) continue
    for (const { titles } of testsOf(readFileSync(`${folder}/${file}`, 'utf8'))) {
      const isFromWorker = file.startsWith('threads/') || titles.some(title => title.startsWith('$where'))
      for (const title of titles) {
        for (const number of behavioursOf(title)) {
          proofs.set(number, [...(proofs.get(number) ?? []), { test: `${file}: ${title}`, isFromWorker }])
        }
      }
    }
  }
  return proofs
}
