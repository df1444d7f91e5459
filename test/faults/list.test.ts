import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

/** The faults of the list that this project has set itself. */
const all = Array.from({ length: 35 }, (_, i) => i + 1)

it('each of the 35 faults has a scenario here, under its number', () => {
  const files = readdirSync(new URL('.', import.meta.url)).filter(name => name.endsWith('.test.js'))
  const titles = files.flatMap(name => {
    const source = readFileSync(new URL(name, import.meta.url), 'utf8')
    return [...source.matchAll(/^\s*(?:it\(|it\.each\(.*\)\(|'|")['"`]?fault (\d+): /gm)].map(([, number]) =>
      Number(number),
    )
  })
  expect(all.filter(number => !titles.includes(number))).toEqual([])
  expect(titles.filter(number => !all.includes(number))).toEqual([])
})

it('and a line in the README', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  const table = /## What happens when\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? ''
  const lines = [...table.matchAll(/^\| (\d+) \|/gm)].map(([, number]) => Number(number))
  expect(lines).toEqual(all)
})
