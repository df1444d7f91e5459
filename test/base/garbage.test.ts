import vm from 'node:vm'
import { expect, it, vi } from 'vitest'
import { runFile } from '../support/run-file.ts'

it('garbage is collected when asked, in a process without flags and in its threads, and finalizers have run then', async () => {
  const { code, output, errors } = await runFile('collects-garbage', [])
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  const { main, threads, later } = JSON.parse(output)
  const collected = { hadGc: false, finalized: ['lost'], pauseMs: expect.any(Number) }
  expect(main).toEqual(collected)
  expect(threads).toEqual([collected, collected, collected, collected])
  // Nothing is left of the flag by which it is done.
  expect(later).toEqual({ hasGc: false, codeCachesHold: true })
  expect(main.pauseMs).toBeGreaterThan(0)
})

it('a flag that somebody has raised stays raised', async () => {
  const { output } = await runFile('collects-garbage', ['flagged'])
  expect(JSON.parse(output).later).toEqual({ hasGc: true, codeCachesHold: true })
})

it('where a runtime has no such function, nothing is collected and nothing fails', async () => {
  vi.resetModules()
  const { collectGarbage, garbageCollector } = await import('../../src/base/garbage.ts')
  const spy = vi.spyOn(vm, 'runInNewContext').mockReturnValue(undefined)
  expect([garbageCollector(), await collectGarbage()]).toEqual([undefined, 0])
  const { createPool } = await import('../../src/coordinator/create-pool.ts')
  const options = { creator: () => ({}), collectOnStarvation: true }
  expect(() => createPool(options)).toThrow('collectOnStarvation: this runtime does not collect garbage when asked.')
  spy.mockRestore()
})
