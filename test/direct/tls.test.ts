import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { pg } from '../../src/dialects/pg.ts'
import { OwnServer } from '../support/own-server.ts'
import { startWorker } from '../support/start-worker.ts'

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
const settings: Record<string, string> = {}
const own = OwnServer.forThisFile({ settings })

/** The server speaks TLS from now on, with a certificate that it has signed itself. Returns that. */
async function encrypt(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'fairypool-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject]
  execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  // Whoever runs the server owns its folder, and must own its key.
  const { uid, gid } = statSync(own.server.socketDir!)
  for (const file of [folder, key, certificate]) chownSync(file, uid, gid)
  chmodSync(key, 0o600)
  Object.assign(settings, { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key })
  await own.server.stop()
  await own.restart()
  return readFileSync(certificate, 'utf8')
}

it.skipIf(!hasOpenssl)('an encrypted connection is run by the coordinator, and both ends say why', async () => {
  const ca = await encrypt()
  const pool = own.pool('TCP', { dialect: pg({ ...own.config('TCP'), ssl: { ca } }) })
  const worker = startWorker()
  const seen = await worker.run(async ({ attach }) => {
    const pool = await attach<Client>()
    const conn = await pool.connect()
    const { rows } = await conn.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    const hasDriver = conn.connection !== undefined
    await conn.close()
    return { rows, hasDriver, transports: (await pool.status()).transports }
  })
  const transports = [{ threadId: worker.threadId, transport: 'remote', why: 'the connection is encrypted (TLS)' }]
  expect(seen).toEqual({ rows: [{ ssl: true }], hasDriver: false, transports })
  expect(pool.status().transports).toEqual(transports)
})
