import { fstatSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'

/** What a look at a socket finds, with nothing read: alive and silent; bytes are waiting; the other end has closed it, or it is broken. */
export type Peek = 'quiet' | 'talking' | 'closed'

/** What Node can't do with descriptors by itself. All threads of a process share one table of them. */
export interface Descriptors {
  /** Another number for the same open file; -1: there is none to be had, or nothing to duplicate. */
  dup(descriptor: number): number
  /** Looks at a socket without reading from it and without waiting. */
  peek(descriptor: number): Peek
  /** Ends a socket's connection, whoever else has a descriptor of it. */
  shutdown(descriptor: number): void
}

type Native = (...args: readonly unknown[]) => number

/** The few members of npm's koffi that are used. Node's own `node:ffi`, once it is stable, can take its place here. */
interface Ffi {
  load(path: null): { func(prototype: string): Native }
  alloc(type: string, length: number): unknown
  errno(): number
}

const peekFlags = process.platform === 'linux' ? 0x42 : 0x82 // MSG_PEEK | MSG_DONTWAIT
const bothWays = 2 // SHUT_RDWR

/** No bytes, and no harm: it would have had to wait. */
const harmless = new Set([constants.errno.EAGAIN, constants.errno.EWOULDBLOCK, constants.errno.EINTR])

const harmlessCodes = new Set(['EAGAIN', 'EWOULDBLOCK', 'EINTR'])
const oneByte = new Uint8Array(1)

let loaded: Descriptors | string | undefined

/**
 * This thread's access to descriptors, or why there is none: the optional package koffi is missing, or this is Windows. Only for
 * threads that own a pool: one that is terminated while koffi is being loaded takes the process with it.
 */
export function descriptors(): Descriptors | string {
  loaded ??= load()
  return loaded
}

function load(): Descriptors | string {
  if (process.platform === 'win32') return 'Windows has no descriptors that threads could share'
  try {
    return over(createRequire(import.meta.url)('koffi') as Ffi)
  } catch (error) {
    return `the optional package koffi can't be loaded: ${(error as Error).message.split('\n')[0]}`
  }
}

function over(ffi: Ffi): Descriptors {
  const libc = ffi.load(null)
  const dup = libc.func('int dup(int)')
  const recv = libc.func('int recv(int, void *, size_t, int)')
  const shutdown = libc.func('int shutdown(int, int)')
  const byte = ffi.alloc('uint8_t', 1)
  return {
    dup: descriptor => dup(descriptor),
    peek(descriptor) {
      const received = recv(descriptor, byte, 1, peekFlags)
      if (received > 0) return 'talking'
      return received < 0 && harmless.has(ffi.errno()) ? 'quiet' : 'closed'
    },
    shutdown: descriptor => void shutdown(descriptor, bothWays),
  }
}

/**
 * What Node can do by itself in place of `peek`: a byte that was there has been taken. An error is what says that nothing is;
 * it is made without a stack, which is most of what it costs.
 */
export function takeByte(descriptor: number): number | 'quiet' | 'closed' {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return readSync(descriptor, oneByte, 0, 1, null) === 0 ? 'closed' : oneByte[0]!
  } catch (error) {
    return harmlessCodes.has((error as NodeJS.ErrnoException).code ?? '') ? 'quiet' : 'closed'
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

/** What tells two open files apart, whatever their numbers, for a number that has been closed is given out again; undefined: it is closed. */
export function identityOf(descriptor: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(descriptor)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
