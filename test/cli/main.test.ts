import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Check } from '../../src/cli/checks.ts'
import type { DemoFacts } from '../../src/cli/demo.ts'
import { type PostgresServer, startPostgres } from '../../src/cli/postgres-server.ts'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Surroundings {
  readonly env?: NodeJS.ProcessEnv
  /** Called at every line or two that the child has written to stderr, with all so far. */
  readonly onProgress?: (stderr: string, child: ChildProcess) => void
}

/** Runs the demo as a shell would; the database of this shell is not handed on. */
function run(args: readonly string[], { env = {}, onProgress }: Surroundings = {}): Promise<Ended> {
  const { DATABASE_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [main, ...args], { env: { ...inherited, ...env } })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (text: Buffer) => {
    stdout += text
  })
  child.stderr.on('data', (text: Buffer) => {
    stderr += text
    onProgress?.(stderr, child)
  })
  return new Promise(resolve => child.on('close', code => resolve({ code, stdout, stderr })))
}

/** Does something at the first moment at which the progress names this step. */
function once(step: string, act: (child: ChildProcess) => void): NonNullable<Surroundings['onProgress']> {
  let acted = false
  return (stderr, child) => {
    if (acted || !stderr.includes(step)) return
    acted = true
    act(child)
  }
}

describe('a command line', () => {
  it('asking for help is answered on stdout, and nothing is started', async () => {
    const { code, stdout, stderr } = await run(['--help'])
    for (const option of ['--threads', '--connections', '--seconds', '--json', '--database-url', 'DATABASE_URL']) {
      expect(stdout).toContain(option)
    }
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [['--treads', '4'], /Unknown option '--treads'/],
    [['4'], /Unexpected argument '4'/],
    [['--threads', '0'], /--threads must be a whole number from 1 to 999, got '0'/],
    [['--threads'], /'--threads <value>' argument missing/],
    [['--connections', '1.5'], /--connections must be a whole number from 1 to 999, got '1.5'/],
    [['--threads', '100', '--connections', '100'], /10000 connections; 500 is the most/],
    [['--seconds', 'soon'], /--seconds must be a number from 0.1 to 3600, got 'soon'/],
    [['--seconds', '0'], /--seconds must be a number/],
    [['--json=yes'], /'--json' does not take an argument/],
    [['--database-url', 'mysql://me:secret@127.0.0.1/x'], /--database-url must look like postgres:/],
    [['--database-url', ''], /--database-url must look like postgres:/],
  ]
  for (const [args, message] of wrong) {
    it(`that makes no sense gets one line and exit code 1: ${args.join(' ')}`, async () => {
      const { code, stdout, stderr } = await run(args)
      expect(stderr).toMatch(message)
      expect(stderr).not.toContain('secret')
      expect(stderr.trimEnd().split('\n')).toHaveLength(1)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    })
  }

  it('a DATABASE_URL of another kind of database is refused by name, without its password', async () => {
    const { code, stderr } = await run([], { env: { DATABASE_URL: 'mysql://me:secret@127.0.0.1/x' } })
    expect(stderr).toBe('fairypool: DATABASE_URL must look like postgres://user:password@host:port/database.\n')
    expect(code).toBe(1)
  })
})

describe('a database that is not there', () => {
  it('is told in one line, without a stack', async () => {
    const { code, stdout, stderr } = await run(['--database-url', 'postgres://me:secret@127.0.0.1:1/x'])
    expect(stderr).toMatch(/^fairypool: Can't connect to PostgreSQL at 127\.0\.0\.1:1\/x: connect ECONNREFUSED .*$/m)
    expect(stderr).not.toMatch(/secret|^\s+at /m)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  })

  it('is told in JSON too, where that was asked for', async () => {
    const { code, stdout } = await run(['--json'], { env: { DATABASE_URL: 'postgres://127.0.0.1:1/x' } })
    expect(JSON.parse(stdout)).toEqual({ ok: false, error: expect.stringContaining('ECONNREFUSED') })
    expect(code).toBe(1)
  })

  it('is given up when it accepts connections and says nothing', async () => {
    const silent = createServer(socket => socket.on('error', () => {}))
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { readonly port: number }
    try {
      const { code, stderr } = await run(['--database-url', `postgres://127.0.0.1:${port}/x`])
      expect(stderr).toMatch(/^fairypool: Can't connect to PostgreSQL at .*$/m)
      expect(stderr).not.toMatch(/^\s+at /m)
      expect(code).toBe(1)
    } finally {
      silent.close()
    }
  })
})

describe('a PostgreSQL of its own', { timeout: 120_000 }, () => {
  let temp: string
  beforeAll(async () => {
    temp = await mkdtemp(join(tmpdir(), 'fp-'))
    await chmod(temp, 0o777)
  })
  afterAll(() => rm(temp, { recursive: true, force: true }))

  it('is booted, used and removed; the facts are one JSON object, and every check has held', async () => {
    const args = ['--threads', '2', '--connections', '2', '--seconds', '0.5', '--json']
    const { code, stdout, stderr } = await run(args, { env: { TMPDIR: temp } })
    expect(stderr).not.toMatch(/warning|fairypool:/i)
    expect(code, stderr).toBe(0)
    const { ok, checks, ...facts } = JSON.parse(stdout) as DemoFacts & { ok: boolean; checks: Check[] }
    expect(checks.filter(({ held }) => !held)).toEqual([])
    expect({ ok, database: facts.database }).toEqual({ ok: true, database: 'embedded' })
    expect(facts.options).toEqual({ threads: 2, connections: 2, seconds: 0.5 })

    const { shared, own, ratio } = facts.contest
    expect([shared.serverConnections, own.serverConnections]).toEqual([2, 4])
    expect(ratio).toBeCloseTo(shared.transactionsPerSecond / own.transactionsPerSecond)
    for (const { p50Ms, p99Ms } of [shared, own]) expect(p50Ms).toBeLessThanOrEqual(p99Ms)

    const { accounts, tellers, branches, history, historyRows, transactionsCounted } = facts.books
    expect([accounts, tellers, branches]).toEqual([history, history, history])
    expect(historyRows).toBe(transactionsCounted)
    expect(historyRows).toBe(shared.transactions + own.transactions)

    const { homecomings, warnings } = facts.forgotten
    const reasons = homecomings.map(({ reason }) => reason)
    expect(reasons).toEqual([...Array(10).fill('task ended'), ...Array(10).fill('collected')])
    for (const { homeAfterMs, heldMs } of homecomings) expect(homeAfterMs).toBeLessThanOrEqual(heldMs!)
    expect(warnings.join('\n')).toMatch(/A task of .*demo-forget\.js has ended without closing its connection/)

    for (const kill of facts.killed.kills) {
      expect(kill).toMatchObject({ reason: 'died', replaced: true, sessionGone: true, rolledBack: true })
    }
    expect(await readdir(temp)).toEqual([])
  })

  it('is removed after a Ctrl-C', async () => {
    const onProgress = once('Loading', child => child.kill('SIGINT'))
    const { code, stdout, stderr } = await run([], { env: { TMPDIR: temp }, onProgress })
    expect(stderr).toContain('Interrupted')
    expect({ code, stdout }, stderr).toEqual({ code: 130, stdout: '' })
    expect(await readdir(temp)).toEqual([])
  })
})

describe("the user's PostgreSQL", { timeout: 120_000 }, () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ maxConnections: 40 })
  })
  afterAll(() => server.remove())

  async function ask(text: string): Promise<Record<string, string>[]> {
    const client = new pg.Client({ connectionString: server.connectionString })
    await client.connect()
    try {
      return (await client.query<Record<string, string>>(text)).rows
    } finally {
      await client.end()
    }
  }

  async function leftBehind(): Promise<string[]> {
    const rows = await ask(`
      select nspname as name from pg_namespace where nspname like 'fairypool%'
      union all select application_name from pg_stat_activity where application_name like 'fairypool%'`)
    return rows.map(row => row.name!)
  }

  const small = ['--threads', '2', '--connections', '2', '--seconds', '0.5']

  it('is used as DATABASE_URL says, shown as tables, and left as it was', async () => {
    const url = `${server.connectionString}?application_name=somebody`
    const { code, stdout, stderr } = await run(small, { env: { DATABASE_URL: url } })
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('Connecting to PostgreSQL')
    expect(stdout).toMatch(/one fairypool of 2 +[\d,]+ +[\d.]+ +[\d.]+ +2$/m)
    expect(stdout).toMatch(/a pg\.Pool of 2 in each thread +[\d,]+ +[\d.]+ +[\d.]+ +4$/m)
    expect(stdout.match(/^✓ /gm)).toHaveLength(10)
    expect(stdout).not.toContain('✗')
    expect(await leftBehind()).toEqual([])
  })

  it('is not begun with when it has no room for so many connections', async () => {
    const { code, stderr } = await run(['--threads', '9'], { env: { DATABASE_URL: server.connectionString } })
    expect(stderr).toMatch(/^fairypool: The demo opens 41 connections, and this server has room for \d+: .*$/m)
    expect(code).toBe(1)
    expect(await leftBehind()).toEqual([])
  })

  it('whose books do not balance makes it end with 1, the reason and everything removed', async () => {
    const forge = once('Killing', () => {
      void (async () => {
        const [schema] = await ask("select nspname as name from pg_namespace where nspname like 'fairypool%'")
        await ask(`insert into ${schema!.name}.history (delta) values (1000000)`)
      })()
    })
    const { code, stdout, stderr } = await run(small, {
      env: { DATABASE_URL: server.connectionString },
      onProgress: forge,
    })
    expect(stdout.match(/^✗ .*/gm), stderr).toHaveLength(2)
    expect(stderr).toMatch(/^fairypool: did not hold: the books balance/m)
    expect(code).toBe(1)
    expect(await leftBehind()).toEqual([])
  })

  for (const step of ['round 2', 'as tasks end', 'that go on', 'Killing']) {
    it(`is left as it was after a Ctrl-C in the step '${step}'`, async () => {
      const onProgress = once(step, child => child.kill('SIGINT'))
      const { code, stdout, stderr } = await run(small, { env: { DATABASE_URL: server.connectionString }, onProgress })
      expect(stderr).not.toMatch(/fairypool:|^\s+at /m)
      expect({ code, stdout }, stderr).toEqual({ code: 130, stdout: '' })
      await expect.poll(leftBehind).toEqual([])
    })
  }

  it('that crashes in the contest makes it end with 1 and the reasons, not hang', async () => {
    const onProgress = once('round 2', () => void server.kill())
    const { code, stdout, stderr } = await run(small, { env: { DATABASE_URL: server.connectionString }, onProgress })
    expect(stderr).toMatch(
      /^fairypool: The demo's schema could not be removed .* drop schema fairypool_demo_\w+ cascade$/m,
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    await server.start()
  })
})
