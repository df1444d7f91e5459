import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goals } from '../../bench/goals.ts'
import type { Report } from '../../bench/report.ts'
import { scenarios } from '../../bench/scenarios.ts'

const main = fileURLToPath(new URL('../../bench/run.js', import.meta.url))

async function run(...args: string[]): Promise<string> {
  const { DATABASE_URL: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...args], { env })
  return stdout
}

describe('the bench', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fairypool-bench-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('measures what was picked, prints it, and writes it as JSON', async () => {
    const file = join(folder, 'report.json')
    const printed = await run('--quick', '--rounds', '1', '--seconds', '0.05', '--only', 'P1', '--json', file)
    const report = JSON.parse(await readFile(file, 'utf8')) as Report
    expect(Object.keys(report)).toEqual(['machine', 'versions', 'rows', 'ratios', 'skipped'])
    expect(report.machine).toEqual({
      system: expect.any(String),
      processor: expect.any(String),
      cores: expect.any(Number),
      memoryGiB: expect.any(Number),
    })
    expect(report.versions).toMatchObject({ node: process.version, postgres: expect.stringMatching(/^\d+/) })

    const { name, entrants, metrics } = scenarios.find(({ id }) => id === 'P1')!
    expect(report.rows).toHaveLength(entrants.length * metrics.length)
    for (const row of report.rows) {
      expect(row).toMatchObject({
        scenario: `P1: ${name}`,
        metric: expect.any(String),
        unit: expect.any(String),
        rounds: 1,
      })
      expect(row.median).toBeGreaterThan(0)
      expect([row.min, row.max]).toEqual([row.median, row.median])
    }
    expect(report.ratios.map(({ target, goal }) => ({ target, goal }))).toEqual(
      goals.P1!.map(({ bound }) => ({ target: 'P1', goal: bound?.[1] ?? null })),
    )
    for (const { ratio, sense, goal, met } of report.ratios) {
      expect(met).toBe(goal === null ? null : sense === 'at most' ? ratio <= goal : ratio >= goal)
    }
    expect(report.skipped).toEqual([])
    for (const { name: entrant } of entrants) expect(printed).toContain(entrant)
    expect(printed.match(/: (met|NOT MET)$/gm)).toHaveLength(2)
  })

  it('says what it can do', async () => {
    const printed = await run('--help')
    for (const option of ['--only', '--context', '--rounds', '--seconds', '--quick', '--json', '--database-url']) {
      expect(printed).toContain(option)
    }
  })

  it('refuses what makes no sense, before it starts anything', async () => {
    await expect(run('--only', 'P10')).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining("no 'P10'") })
  })
})
