import { readFileSync } from 'node:fs'

/** One numbered behaviour of the specification. */
export interface Item {
  readonly number: number
  /** A letter and the section's name. */
  readonly section: string
  readonly title: string
}

/** From the compiled file to the sources: the list is data, and stays where it is. */
const file = new URL('../../../test/behaviours/items.md', import.meta.url)

/** All behaviours, in their order. */
export function readItems(): readonly Item[] {
  const items: Item[] = []
  let section = ''
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    section = /^## (.*)/.exec(line)?.[1] ?? section
    const [, number, title] = /^(\d+)\. (.*)/.exec(line) ?? []
    if (number !== undefined && title !== undefined) items.push({ number: Number(number), section, title })
  }
  return items
}
