import type { Fairy } from '../../src/fairies/fairy.ts'

/** A toy connection, or something it has returned, as a worker sees it: any name is a method. */
export type RemoteToy = Fairy & Record<string, (...args: unknown[]) => Promise<never>> & AsyncIterable<never>
