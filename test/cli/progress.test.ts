import { describe, expect, it } from 'vitest'
import { Progress } from '../../src/cli/progress.ts'

function screen(facts: Partial<NodeJS.WriteStream>): { readonly out: NodeJS.WriteStream; readonly written: string[] } {
  const written: string[] = []
  const write = (text: string): boolean => written.push(text) > 0
  return { out: { ...facts, write } as unknown as NodeJS.WriteStream, written }
}

describe('progress', () => {
  it('writes a line for each new step where there is no terminal', () => {
    const { out, written } = screen({ isTTY: false })
    const progress = new Progress(out, 3)
    for (const label of ['load', 'load', 'play']) progress.step(label)
    progress.clear()
    expect(written).toEqual(['load\n', 'play\n'])
  })

  it('redraws one bar on a terminal, never wider than that', () => {
    const { out, written } = screen({ isTTY: true, columns: 30 })
    const progress = new Progress(out, 2)
    for (const label of ['load', 'a step with a long name', 'more than was announced']) progress.step(label)
    progress.clear()
    const bars = written.filter(text => text !== '\r\x1b[2K')
    expect(bars.map(bar => bar.slice(0, 29))).toEqual(bars)
    expect(bars.map(bar => bar.match(/█/g)?.length ?? 0)).toEqual([0, 12, 24])
    expect(written.at(-1)).toBe('\r\x1b[2K')
  })
})
