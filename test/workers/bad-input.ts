import { createServer, type Server, type Socket } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { createPool, type QueuePool } from '../../src/index.ts'
import { pg } from '../../src/pg.ts'
import { attach, type PoolClient } from '../../src/worker.ts'
import { type Failure, failureOf } from '../support/failure.ts'
import { ToyConnection } from '../support/toy-driver.ts'

/*
 * A process of its own for each piece of bad input: `node bad-input.js CASE coordinator|worker`. It prints what it saw as JSON,
 * and ends by itself. Whatever nobody has caught ends it with code 70.
 */

interface Seen {
  readonly failures: Failure[]
  /** Milliseconds until the last of them. */
  readonly elapsedMs: number
  readonly status: string
  /** What a checkout gives once the creator has come to its senses. */
  readonly afterwards: unknown
}

let isBroken = true

/** A creator that misbehaves until it is mended. */
const creators: Readonly<Record<string, () => unknown>> = {
  throws() {
    throw new RangeError('on purpose')
  },
  rejects: () => Promise.reject(new RangeError('on purpose')),
  'throws no error': () => Promise.reject('just a word'),
  'returns null': () => null,
  'returns a number': async () => 7,
  'never settles': () => new Promise(() => {}),
}

/** Servers that are no PostgreSQL; the process must end while they still listen. */
function listen(onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onConnection)
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => resolve(server.unref()))
  })
}

async function address(name: string): Promise<string> {
  if (name === 'nowhere') return 'postgres://user:secret@127.0.0.1:1/nowhere'
  if (name === 'no such folder') return 'postgres:///db?host=/no/such/folder'
  if (name === 'no such host') return 'postgres://user:secret@no-such-host.invalid/db'
  const server = await listen(socket => {
    socket.unref().on('error', () => {})
    if (name === 'hangs up') socket.destroy()
    if (name === 'talks nonsense') socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  return `postgres://user:secret@127.0.0.1:${(server.address() as { port: number }).port}/db`
}

async function poolOf(name: string) {
  // What fails by itself has all the time it wants.
  const hangs = name === 'never settles' || name === 'says nothing' || name === 'talks nonsense'
  const patience = hangs ? { timeoutMs: 1000, connectTimeoutMs: 400 } : { timeoutMs: 20_000 }
  const limits = { poolSize: 1, maxOverflow: 0, closeTimeoutMs: 50, ...patience }
  const creator = creators[name]
  if (creator === undefined) return createPool({ ...limits, dialect: pg(await address(name)) })
  return createPool<ToyConnection>({
    ...limits,
    creator: () => (isBroken ? (creator() as ToyConnection) : new ToyConnection(1)),
  })
}

async function look(
  pool: QueuePool<ToyConnection> | PoolClient<ToyConnection>,
  mend: () => Promise<void>,
): Promise<Seen> {
  const start = performance.now()
  const failures = await Promise.all([1, 2, 3].map(() => failureOf(() => pool.connect())))
  const elapsedMs = performance.now() - start
  const status = `${await pool.status()}`
  await mend()
  const mended = await pool.connect().then(
    async fairy => {
      const number = (await fairy.whoami()) as unknown
      await fairy.close()
      return number
    },
    (error: unknown) => `still broken: ${(error as Error).message}`,
  )
  return { failures, elapsedMs, status, afterwards: mended }
}

async function main(name: string, where: string): Promise<void> {
  const pool = (await poolOf(name)) as unknown as QueuePool<ToyConnection>
  const mend = async (): Promise<void> => {
    isBroken = false
  }
  if (where === 'coordinator') return console.log(JSON.stringify(await look(pool, mend)))
  pool.share()
  const worker = new Worker(new URL(import.meta.url), { workerData: 'look' })
  worker.on('message', async (message: unknown) => {
    if (message !== 'mend') return console.log(JSON.stringify(message))
    await mend()
    worker.postMessage('mended')
  })
}

async function inWorker(): Promise<void> {
  const mend = (): Promise<void> =>
    new Promise(resolve => {
      parentPort!.once('message', () => resolve())
      parentPort!.postMessage('mend')
    })
  parentPort!.postMessage(await look(await attach<ToyConnection>(), mend))
}

function uncaught(error: unknown): void {
  console.error('nobody has caught', error)
  process.exit(70)
}

process.on('unhandledRejection', uncaught).on('uncaughtException', uncaught)
if (isMainThread) await main(process.argv[2]!, process.argv[3]!)
else if (workerData === 'look') await inWorker()
