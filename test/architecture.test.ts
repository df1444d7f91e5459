import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const src = join(root, 'src')

/** Which floors a floor may import from; `doors` are the files directly in src/. Types count: one in the wrong direction misleads as much. */
const floors: Readonly<Record<string, readonly string[]>> = {
  base: [],
  slots: ['base'],
  protocol: ['observe', 'base'],
  observe: ['base'],
  dialects: ['base'],
  transports: ['dialects', 'protocol', 'base'],
  fairies: ['dialects', 'observe', 'base'],
  statements: ['fairies', 'dialects', 'base'],
  pool: ['statements', 'fairies', 'dialects', 'slots', 'observe', 'base'],
  worker: ['transports', 'statements', 'fairies', 'dialects', 'protocol', 'slots', 'observe', 'base'],
  coordinator: ['pool', 'transports', 'statements', 'fairies', 'dialects', 'protocol', 'slots', 'observe', 'base'],
  doors: ['coordinator', 'worker', 'pool', 'fairies', 'dialects', 'observe', 'base'],
  cli: ['doors', 'base'],
}

interface SourceFile {
  readonly path: string
  readonly floor: string
  readonly text: string
  readonly imports: readonly string[]
}

function sourcesOf(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => {
      const path = join(folder, name)
      const text = readFileSync(path, 'utf8')
      const imports = [...text.matchAll(/(?:from|import|import\()\s*'([^']+)'/g)].map(match => match[1]!)
      return { path: relative(root, path), floor: floorOf(path), text, imports }
    })
}

function floorOf(path: string): string {
  const [first, ...rest] = relative(src, path).split('/')
  return rest.length === 0 ? 'doors' : first!
}

const sources = sourcesOf(src)

describe('the floors', () => {
  for (const [floor, below] of Object.entries(floors)) {
    it(`${floor} imports ${below.length === 0 ? 'nothing above it' : `only ${below.join(', ')}`}`, () => {
      const files = sources.filter(file => file.floor === floor)
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) {
        for (const specifier of file.imports.filter(each => each.startsWith('.'))) {
          const target = floorOf(resolve(root, dirname(file.path), specifier))
          expect([floor, ...below], `${file.path} imports ${specifier}`).toContain(target)
        }
      }
    })
  }

  it('every folder of src is a floor', () => {
    expect(new Set(sources.map(file => file.floor))).toEqual(new Set(Object.keys(floors)))
  })

  it('the pool knows no threads and no ports but its own thread id', () => {
    const allowed = /^import \{ threadId \} from 'node:worker_threads'$/m
    for (const { path, floor, text } of sources) {
      if (floor !== 'pool' || !text.includes('node:worker_threads')) continue
      expect(text, path).toMatch(allowed)
    }
  })

  it('only the doors that name a database or Piscina lead to them', () => {
    const importers = (name: string): string[] =>
      sources.filter(({ floor, imports }) => floor !== 'cli' && imports.includes(name)).map(({ path }) => path)
    for (const path of importers('pg')) expect(path).toMatch(/^src\/dialects\/pg[-.]/)
    expect(importers('piscina')).toEqual(['src/coordinator/workers.ts'])
    expect(importers('comlink')).toEqual(['src/protocol/control.ts'])
  })

  it("the door 'fairypool/worker' loads no coordinator and no pool", () => {
    const seen = new Set<string>()
    const visit = (path: string): void => {
      if (seen.has(path)) return
      seen.add(path)
      const file = sources.find(each => each.path === path)
      for (const specifier of file?.imports.filter(each => each.startsWith('.')) ?? []) {
        visit(relative(root, resolve(root, dirname(path), specifier)))
      }
    }
    visit('src/worker.ts')
    expect([...seen].filter(path => /^src\/(coordinator|pool|cli)\//.test(path))).toEqual([])
  })
})

describe('the house', () => {
  const house = [
    ...sources,
    ...sourcesOf(join(root, 'workers')),
    ...sourcesOf(join(root, 'bench')),
    ...sourcesOf(join(root, 'test')),
  ]

  it('has no file over 300 lines', () => {
    for (const { path, text } of house) expect(text.split('\n').length, path).toBeLessThanOrEqual(301)
  })

  it('has no default exports but those an ecosystem demands', () => {
    const demanded = /^(workers\/|test\/workers\/|test\/vitest\.config\.ts)/
    for (const { path, text } of house) {
      if (demanded.test(path)) continue
      expect(text, path).not.toMatch(/^export default|^export \{[^}]* as default/m)
    }
  })

  it('has no barrels below the doors', () => {
    for (const { path, floor } of sources) if (floor !== 'doors') expect(path).not.toMatch(/\/index\.ts$/)
  })

  it('doors re-export and do nothing else', () => {
    for (const { path, floor, text } of sources) {
      if (floor === 'doors') expect(text.replace(/export (type )?\{[^}]*\} from '[^']+'\n/g, '').trim(), path).toBe('')
    }
  })

  it('has its timers in base and its error classes in base/errors.ts', () => {
    for (const { path, floor, text } of sources) {
      if (floor === 'cli') continue
      if (floor !== 'base') expect(text, path).not.toMatch(/\bset(Timeout|Interval)\(/)
      if (path !== 'src/base/errors.ts') expect(text, path).not.toMatch(/class \w+ extends \w*Error\b/)
    }
  })
})
