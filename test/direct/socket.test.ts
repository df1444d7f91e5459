import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Descriptors, descriptors, identityOf } from '../../src/base/descriptors.ts'
import { PgFraming } from '../../src/dialects/pg-framing.ts'
import { PgSocket } from '../../src/dialects/pg-socket.ts'
import { eventually } from '../support/eventually.ts'
import { type Road, roads } from '../support/own-server.ts'

const native = descriptors() as Descriptors

/** One message of a server: a type, a length that counts itself, a body. */
function message(body: Buffer): Buffer {
  const header = Buffer.from([0x44, 0, 0, 0, 0])
  header.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([header, body])
}

const fdOf = (socket: Socket): number => (socket as unknown as { _handle: { fd: number } })._handle.fd

/** Two connected ends: a socket as the pool opens it, already at rest, and the server's. */
async function pair(road: Road): Promise<{ near: PgSocket; far: Socket; fd: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'fairypool-socket-'))
  const server = createServer()
  await new Promise<void>(resolve => {
    if (road === 'TCP') server.listen(0, '127.0.0.1', resolve)
    else server.listen(join(folder, 's'), resolve)
  })
  const accepted = new Promise<Socket>(resolve => server.once('connection', resolve))
  const near = new PgSocket()
  const address = server.address()
  await new Promise<void>(resolve => {
    if (typeof address === 'string') near.connect(address, resolve)
    else near.connect(address!.port, '127.0.0.1', resolve)
  })
  const far = await accepted
  far.on('error', () => {})
  near.rest()
  onTestFinished(() => {
    near.destroy()
    far.destroy()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return { near, far, fd: fdOf(near) }
}

/** A thread's own socket over the same session, with a driver that listens. */
function duplicate(fd: number): { socket: PgSocket; received: () => string } {
  const socket = new PgSocket(native.dup(fd))
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  onTestFinished(() => void socket.destroy())
  return { socket, received: () => text }
}

/** Turns of the event loop in which a socket that reads would have read. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await setImmediate()
}

describe('PgFraming', () => {
  it('stands between two messages exactly where one has ended, however the bytes are cut', () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 })
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(bodies, cuts, (bodies, cuts) => {
        const messages = bodies.map(body => message(Buffer.from(body)))
        const stream = Buffer.concat(messages)
        const ends = new Set(messages.map((_, last) => Buffer.concat(messages.slice(0, last + 1)).length))
        const framing = new PgFraming()
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const next = Math.min(stream.length, at + cuts[turn % cuts.length]! ** 2)
          framing.follow(stream.subarray(at, next))
          at = next
          expect(framing.isBetween).toBe(ends.has(at))
        }
      }),
    )
  })

  it('knows it at every byte, and of a length of four bytes', () => {
    const stream = Buffer.concat([message(Buffer.alloc(0)), message(Buffer.alloc(70_000)), message(Buffer.alloc(1))])
    const framing = new PgFraming()
    const between: number[] = []
    for (let at = 0; at < stream.length; at++) {
      framing.follow(stream.subarray(at, at + 1))
      if (framing.isBetween) between.push(at + 1)
    }
    expect(between).toEqual([5, 70_010, 70_016])
    framing.follow(stream)
    expect(framing.isBetween).toBe(true)
    framing.follow(stream.subarray(0, 12))
    expect(framing.isBetween).toBe(false)
  })
})

describe.each(roads)('sockets over one session, over %s,', road => {
  it('are looked at without being read: quiet, talking, closed', async () => {
    const { near, far, fd } = await pair(road)
    expect(native.peek(fd)).toBe('quiet')
    far.write('hello')
    await eventually(() => native.peek(fd)).toBe('talking')
    expect(native.peek(fd)).toBe('talking')
    near.attend()
    await eventually(() => native.peek(fd)).toBe('quiet')
    near.rest()
    far.destroy()
    await eventually(() => native.peek(fd)).toBe('closed')
    expect(native.peek(-1)).toBe('closed')
  })

  it('have duplicates of the same identity, which end together when the session is shut down', async () => {
    const { far, fd } = await pair(road)
    const twin = native.dup(fd)
    expect(twin).not.toBe(fd)
    expect(identityOf(twin)).toBe(identityOf(fd))
    const other = await pair(road)
    expect(identityOf(other.fd)).not.toBe(identityOf(fd))
    const ended = new Promise(resolve => far.once('end', resolve))
    far.resume()
    native.shutdown(twin)
    await ended
    expect(native.peek(fd)).toBe('closed')
    closeSync(twin)
    expect(native.dup(-1)).toBe(-1)
  })

  it('leave alone what comes while they rest, and read it when they attend', async () => {
    const { far, fd } = await pair(road)
    const { socket, received } = duplicate(fd)
    socket.attend()
    far.write('one')
    await eventually(received).toBe('one')
    socket.rest()
    far.write('two')
    await eventually(() => native.peek(fd)).toBe('talking')
    await turns()
    expect(received()).toBe('one')
    expect(native.peek(fd)).toBe('talking')
    socket.attend()
    await eventually(received).toBe('onetwo')
  })

  it.each([
    ['a driver listens', () => {}],
    ['they attend and rest at once', (socket: PgSocket) => [socket.attend(), socket.rest()]],
    ['somebody resumes or reads them', (socket: PgSocket) => [socket.resume(), socket.read(), socket.read(0)]],
    ['they are paused and resumed', (socket: PgSocket) => [socket.pause(), socket.resume()]],
    ['they are unpiped', (socket: PgSocket) => socket.unpipe()],
    ['somebody wants to read chunk by chunk', (socket: PgSocket) => socket.on('readable', () => socket.read())],
  ])('never begin to read while they rest: when %s', async (_, disturb) => {
    const { far, fd } = await pair(road)
    const first = duplicate(fd)
    disturb(first.socket)
    await turns()
    far.write('for the second')
    await eventually(() => native.peek(fd)).toBe('talking')
    await turns()
    expect(native.peek(fd)).toBe('talking')
    const second = duplicate(fd)
    second.socket.attend()
    await eventually(second.received).toBe('for the second')
    expect(first.received()).toBe('')
  })

  it('serve who reads chunk by chunk, hold back what he does not take, and then who listens, in order', async () => {
    const { far, fd } = await pair(road)
    const socket = new PgSocket(native.dup(fd))
    onTestFinished(() => void socket.destroy())
    const sent = Buffer.alloc(3_000_000, 'abcdefghijklm')
    socket.attend()
    const readable = new Promise(resolve => socket.once('readable', resolve))
    far.write(sent)
    await readable
    await turns()
    // There is more, but nobody has taken what is here.
    expect(socket.readableLength).toBeLessThan(200_000)
    expect(native.peek(fd)).toBe('talking')
    const chunks: Buffer[] = [socket.read() as Buffer]
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    await eventually(() => chunks.reduce((sum, { length }) => sum + length, 0)).toBe(sent.length)
    expect(Buffer.concat(chunks).equals(sent)).toBe(true)
  })

  it('that throw away what comes see the end all the same', async () => {
    const { near, far } = await pair(road)
    const closed = new Promise(resolve => near.once('close', resolve))
    near.on('readable', () => {})
    near.discard()
    far.end(Buffer.alloc(1_000_000))
    await closed
    expect(near.readableLength).toBe(0)
  })
})
