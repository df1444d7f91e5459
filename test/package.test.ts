import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
let home: string
let files: string[]

/** Runs a script in a project that has installed the tarball, and returns what it prints. */
function run(name: string, script: string): string {
  const path = join(home, name)
  writeFileSync(path, script)
  return execFileSync(process.execPath, ['--no-warnings', path], { encoding: 'utf8', cwd: home }).trim()
}

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'fairypool-package-'))
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const parsed = JSON.parse(packed) as Record<string, unknown>
  const [report] = Object.values(parsed) as { filename: string; files: { path: string }[] }[]
  files = report!.files.map(({ path }) => path)
  const modules = join(home, 'node_modules')
  mkdirSync(join(modules, 'fairypool'), { recursive: true })
  execFileSync('tar', ['xzf', join(home, report!.filename), '-C', join(modules, 'fairypool'), '--strip-components=1'])
  for (const dependency of ['comlink', 'pg', 'piscina']) {
    symlinkSync(join(root, 'node_modules', dependency), join(modules, dependency))
  }
})

afterAll(() => rmSync(home, { recursive: true, force: true }))

describe('the package', () => {
  it('holds what users need and nothing else', () => {
    expect(files).toContain('dist/src/index.js')
    expect(files).toContain('dist/src/worker.d.ts')
    expect(files).toContain('dist/workers/piscina-task.js')
    expect(files).toContain('LICENSE')
    expect(files).toContain('README.md')
    expect(
      files.filter(path =>
        /^(src|test|bench|workers)\/|dist\/(test|bench|src\/cli)|demo|\.map$|package-lock/.test(path),
      ),
    ).toEqual([])
  })

  it('gives all its doors to import', () => {
    const script = `
      import { createPool } from 'fairypool'
      import { attach } from 'fairypool/worker'
      import { pg } from 'fairypool/pg'
      import { createWorkers } from 'fairypool/piscina'
      console.log([createPool, attach, pg, createWorkers].map(each => typeof each).join())`
    expect(run('doors.mjs', script)).toBe('function,function,function,function')
  })

  it('gives all its doors to require, and they are the same modules as those of import', () => {
    const script = `
      const required = ['fairypool', 'fairypool/worker', 'fairypool/pg', 'fairypool/piscina'].map(door => require(door))
      import('fairypool').then(({ createPool }) => console.log(createPool === required[0].createPool, typeof required[1].attach))`
    expect(run('doors.cjs', script)).toBe('true function')
  })

  it("runs a query from a worker that requires 'fairypool/worker'", () => {
    const script = `
      const { Worker, isMainThread, parentPort } = require('node:worker_threads')
      if (isMainThread) {
        const { createPool } = require('fairypool')
        const pool = createPool({ creator: () => ({ query: async text => ({ text }) }), resetOnReturn: 'none' })
        pool.share()
        new Worker(__filename).on('message', message => { console.log(JSON.stringify(message)); pool.unshare() })
      } else {
        const { attach } = require('fairypool/worker')
        attach().then(pool => pool.use(connection => connection.query('select 1'))).then(result => parentPort.postMessage(result))
      }`
    expect(JSON.parse(run('worker.cjs', script))).toEqual({ text: 'select 1' })
  })

  it("loads 'fairypool/worker' without the coordinator's and the pool's code, which could as well not be there", () => {
    const bare = join(home, 'bare', 'node_modules')
    cpSync(join(home, 'node_modules', 'fairypool'), join(bare, 'fairypool'), { recursive: true })
    symlinkSync(join(root, 'node_modules', 'comlink'), join(bare, 'comlink'))
    for (const folder of ['pool', 'coordinator'])
      rmSync(join(bare, 'fairypool', 'dist', 'src', folder), { recursive: true })
    const script = "import { attach } from 'fairypool/worker'; console.log(typeof attach)"
    expect(run('bare/worker.mjs', script)).toBe('function')
  })

  it('is installed with comlink and nothing else', () => {
    expect(readdirSync(join(home, 'node_modules', 'fairypool')).sort()).toEqual([
      'LICENSE',
      'README.md',
      'dist',
      'package.json',
    ])
    const { dependencies } = JSON.parse(
      execFileSync(process.execPath, ['-p', "JSON.stringify(require('fairypool/package.json'))"], {
        cwd: home,
        encoding: 'utf8',
      }),
    ) as { dependencies: Record<string, string> }
    expect(Object.keys(dependencies)).toEqual(['comlink'])
  })
})
