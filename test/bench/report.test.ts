import { describe, expect, it } from 'vitest'
import { type ReportRatio, type ReportRow, table, verdicts } from '../../bench/report.ts'

const row = (contender: string, metric: 'cycles/s' | 'p99', median: number): ReportRow => ({
  scenario: 'P2: 4 threads',
  contender,
  metric,
  unit: metric === 'p99' ? 'µs' : 'cycles/s',
  median,
  min: median / 2,
  max: median * 2,
  rounds: 5,
})

const ratio = (given: Partial<ReportRatio>): ReportRatio => ({
  target: 'P2',
  name: 'ours / theirs',
  ratio: 1.2,
  min: 1.1,
  max: 1.3,
  unit: '×',
  sense: 'at least',
  goal: 1.05,
  met: true,
  ...given,
})

describe('a table', () => {
  it('has a line for each contender, a column for each metric, and a notice for who was not there', () => {
    const rows = [
      row('ours', 'cycles/s', 12_345),
      row('ours', 'p99', 8.25),
      row('theirs', 'cycles/s', 50),
      row('theirs', 'p99', 4),
    ]
    expect(table(rows, new Map([['PgBouncer', 'it is not installed']]))).toBe(
      [
        '           cycles/s                p99 µs',
        '  ours     12,345 (6,173–24,690)   8.25 (4.13–16.5)',
        '  theirs   50 (25–100)             4 (2–8)',
        '  PgBouncer skipped: it is not installed',
      ].join('\n'),
    )
  })

  it('of nobody is the notices alone', () => {
    expect(table([], new Map([['fairypool', 'not in this version']]))).toBe('  fairypool skipped: not in this version')
  })
})

describe('verdicts', () => {
  it('say of each target whether it is met, and of the others nothing', () => {
    const ratios = [
      ratio({}),
      ratio({ target: 'P8', name: 'ours', unit: 'ms', sense: 'at most', goal: 1, met: false }),
      ratio({ sense: null, goal: null, met: null }),
    ]
    expect(verdicts(ratios, []).split('\n')).toEqual([
      '  P2 ours / theirs   1.20 × (1.10–1.30)    at least 1.05: met',
      '  P8 ours            1.20 ms (1.10–1.30)   at most 1.00: NOT MET',
      '  P2 ours / theirs   1.20 × (1.10–1.30)',
    ])
  })

  it('say of those that were not measured why', () => {
    expect(verdicts([], [{ target: 'P9', name: 'ours', why: 'not in this version' }])).toBe(
      '  P9 ours   not measured   not in this version',
    )
  })
})
