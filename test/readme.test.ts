import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PoolError, poolErrors } from '../src/base/errors.ts'
import { type PostgresServer, startPostgres } from '../src/cli/postgres-server.ts'
import { settingsOf } from '../src/pool/options.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
let server: PostgresServer
let home: string

beforeAll(async () => {
  server = await startPostgres()
  home = mkdtempSync(join(tmpdir(), 'fairypool-readme-'))
  mkdirSync(join(home, 'node_modules'))
  symlinkSync(root, join(home, 'node_modules', 'fairypool'))
})

afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await server.remove()
})

/** The JavaScript block that follows the mention of a file. */
function block(file: string): string {
  const [, code] = readme.split(`\`${file}\``)[1]?.split('```js\n') ?? []
  return code!.split('```')[0]!
}

describe('the README', () => {
  it('shows code that runs as it stands, and ends by itself', () => {
    for (const file of ['main.mjs', 'task.mjs']) writeFileSync(join(home, file), block(file))
    const env = { ...process.env, DATABASE_URL: server.connectionString }
    const output = execFileSync(process.execPath, [join(home, 'main.mjs')], { env, encoding: 'utf8', timeout: 30_000 })
    expect(output).toMatch(/^2,4,6,8,10,12,14,16 poolSize 4, /)
  })

  it('names every option with its default', () => {
    const settings = settingsOf({ creator: () => ({}) })
    for (const [name, value] of Object.entries(settings)) {
      const row = new RegExp(`^\\| \`${name}\` \\| ([^|]*) \\|`, 'm').exec(readme)?.[1]
      expect(row, name).toBeDefined()
      if (name === 'connectTimeoutMs' || name === 'logger') continue
      expect(row?.replaceAll(/[`',]/g, ''), name).toBe(String(value ?? 'none'))
    }
  })

  it('names every error with its code', () => {
    for (const [name, { prototype }] of poolErrors) {
      if (prototype === PoolError.prototype) continue
      expect(readme).toContain(`\`${name}\``)
      expect(readme).toContain(`\`${prototype.code}\``)
    }
  })
})
