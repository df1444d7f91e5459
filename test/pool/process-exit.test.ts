import { expect, it } from 'vitest'
import { runScript, sourceUrl } from '../support/run-script.ts'

/** A pool over a driver that holds nothing, in a process of its own. */
const script = (body: string): string => `
  import { createPool } from '${sourceUrl('index.js')}'
  let opened = 0
  const creator = () => ({ number: ++opened, rollback() {}, close() {}, query: () => new Promise(() => {}) })
  const pool = createPool({ creator, poolSize: 1, maxOverflow: 0, closeTimeoutMs: 100 })
  ${body}
  console.log('end of script')`

const ended = { code: 0, output: 'end of script\n', errors: '' }

it.each([
  ['is never used', ''],
  ['is shared', 'pool.share()'],
  ['has idle connections', 'await (await pool.connect()).close()'],
  ['has one that nobody closes', 'globalThis.kept = await pool.connect()'],
  ['has one that nobody closes and is shared', 'pool.share(); globalThis.kept = await pool.connect()'],
  ['has one with a call in flight that never ends', 'globalThis.kept = await pool.connect(); kept.query()'],
  ['has lost one', 'await pool.connect(); gc()'],
  ['has been disposed', 'await (await pool.connect()).close(); await pool.dispose()'],
])('a process ends by itself when its pool %s', async (_what, body) => {
  expect(await runScript(script(body))).toMatchObject(ended)
})

it.each([
  ['is looked after in every way', `{ minIdle: 2, idleTimeoutMs: 5000, keepaliveMs: 20, maxLifetimeMs: 9000 }`],
  ['has a ping under way that never ends', `{ keepaliveMs: 20, minIdle: 1, hangs: true }`],
])('fault 25: a process ends by itself when its pool %s', async (_what, options) => {
  const run = await runScript(`
    import { createPool } from '${sourceUrl('index.js')}'
    const { hangs, ...options } = ${options}
    let told
    const pinged = new Promise(resolve => { told = resolve })
    const ping = () => (told(), hangs ? new Promise(() => {}) : true)
    const dialect = { name: 'none', connect: () => ({}), rollback() {}, commit() {}, close() {}, ping }
    const pool = createPool({ dialect, poolSize: 3, ...options })
    await (await pool.connect()).close()
    const stay = setInterval(() => {}, 1000)
    await pinged
    clearInterval(stay)
    console.log('end of script', pool.status().checkedin)`)
  expect(run).toMatchObject({ code: 0, errors: '' })
  expect(run.output).toMatch(/^end of script \d\n$/)
  expect(run.elapsedMs).toBeLessThan(4000)
})

it('a process stays for a caller who waits, until the deadline, and ends after that', async () => {
  const run = await runScript(
    script(`
    globalThis.kept = await pool.connect()
    pool.connect({ timeoutMs: 200 }).catch(error => console.log(error.code))`),
  )
  expect(run).toMatchObject({ code: 0, output: 'end of script\nFAIRYPOOL_TIMEOUT\n' })
})

it('a process is not brought down by failures that nobody awaits', async () => {
  const run = await runScript(
    script(`
    const refused = createPool({ creator: () => Promise.reject(new Error('refused')), connectTimeoutMs: 50 })
    await refused.connect().catch(() => {})
    const late = createPool({ creator: () => new Promise((_, reject) => setTimeout(reject, 100, new Error('late'))), connectTimeoutMs: 50 })
    await late.connect().catch(() => {})
    const controller = new AbortController()
    const hasty = late.connect({ signal: controller.signal }).catch(() => {})
    controller.abort()
    await hasty`),
  )
  expect(run).toMatchObject(ended)
})
