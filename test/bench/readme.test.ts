/** The tables of the bench README: made from results, between two markers. */

import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const bench = new URL('../../bench/', import.meta.url)
// Plain JavaScript without declarations, as the bench has no build step.
const lib = async (name: string) => await import(new URL(`lib/${name}.mjs`, bench).href)

const machine = {
  date: '2026-01-02T03:04:05.000Z',
  processor: 'one x 2',
  memoryGibibytes: 24,
  kernel: 'Linux 6',
  node: 'v20',
  compiler: 'c++',
  disk: 'ext4',
  memoryFileSystem: 'tmpfs',
  load: 'full',
  pinning: 'none',
}

const row = (more: object) => ({
  id: 'E1',
  name: 'append 100 B, warm, disk',
  params: {},
  value: 9e6,
  low: 8e6,
  high: 10e6,
  repetitions: 3,
  unit: 'records/s',
  limit: { name: 'loop', value: 10e6, unit: 'records/s' },
  info: { minorFaults: 2 },
  check: '1 record',
  ...more,
})

it('replaces what stands between the markers and nothing else', async () => {
  const { beginMarker, endMarker, replaceTables } = await lib('readme')
  const text = `before\n${beginMarker}\nold\n${endMarker}\nafter\n`
  const once = replaceTables(text, 'new')
  expect(once).toBe(`before\n${beginMarker}\n\nnew\n\n${endMarker}\nafter\n`)
  expect(replaceTables(once, 'new')).toBe(once)
  expect(() => replaceTables('no markers', 'new')).toThrow('markers')
})

it('puts the share of the limit first and judges it', async () => {
  const { benches } = await lib('catalog')
  const { complete } = await lib('runner')
  const { readmeTables } = await lib('table')
  const slow = row({ name: 'append 1 KiB, warm, disk', value: 7e6 })
  const results = complete([row({}), slow], benches, 'full')
  const text: string = readmeTables(machine, results, benches)
  expect(text).toContain('Measured 2026-01-02 (full load)')
  expect(text).toMatch(/\| 90 % \| 9\.00 M records\/s \| append 100 B.*aim met \(80 %, aim 90 %\)/)
  expect(text).toMatch(/\| 70 % \| 7\.00 M records\/s \| append 1 KiB.*MISSED/)
})

it('takes the tables of each bench from the last report that has it', async () => {
  const { benches } = await lib('catalog')
  const { complete } = await lib('runner')
  const { tablesOf } = await lib('readme')
  const of = (date: string, ids: readonly string[], name: string) => ({
    machine: { ...machine, date },
    results: complete(
      ids.map((id) => row({ id, name })),
      benches,
      'full',
    ),
  })
  const reports = [of('2026-01-02', ['E1', 'F1'], 'old'), of('2026-02-03', ['F1'], 'new')]
  const text: string = tablesOf(reports, benches)
  const [first = '', second = ''] = text.split('Measured 2026-02-03')
  expect(first).toMatch(/Measured 2026-01-02.*### E1.*old/s)
  expect(first).not.toContain('### F1')
  expect(second).toMatch(/### F1.*new/s)
  expect(second).not.toContain('### E1')
  const replaced: string = tablesOf([reports[1], of('2026-03-04', ['F1'], 'newest')], benches)
  expect(replaced).not.toContain('2026-02-03')
})

it('takes less time as the larger share, and no verdict from the smallest load', async () => {
  const { benches } = await lib('catalog')
  const { complete } = await lib('runner')
  const open = row({ id: 'V1', name: 'clean open', value: 50, unit: 'ms' })
  const timed = { ...open, limit: { name: 'x', value: 25, unit: 'ms' } }
  const [judged] = complete([timed], benches, 'full')
  expect(judged.limit.ratio).toBe(0.5)
  expect(judged.goals).toMatchObject([{ verdict: 'must' }])
  const [unjudged] = complete([{ ...open, limit: undefined }], benches, 'tiny')
  expect(unjudged.goals).toEqual([])
})

it('has its markers in the README, and results that can be read', async () => {
  const { beginMarker, endMarker } = await lib('readme')
  const text = readFileSync(new URL('README.md', bench), 'utf8')
  expect(text.indexOf(beginMarker)).toBeGreaterThan(0)
  expect(text.indexOf(endMarker)).toBeGreaterThan(text.indexOf(beginMarker))
  const { parseReport } = await lib('reports')
  const names = readdirSync(new URL('results/', bench)).filter((name) => name.endsWith('.json'))
  for (const name of names) {
    const report = parseReport(readFileSync(new URL(`results/${name}`, bench), 'utf8'))
    expect(report.results.length, name).toBeGreaterThan(0)
    expect(report.machine.date, name).toMatch(/^\d{4}-/)
  }
})

it('is written as an array of rows, and read in that form and in the one before', async () => {
  const { parseReport, reportText } = await lib('reports')
  const report = { machine, results: [row({}), row({ id: 'E2' })] }
  const rows = JSON.parse(reportText(report))
  expect(rows).toHaveLength(2)
  expect(rows[1]).toEqual({ ...row({ id: 'E2' }), machine })
  expect(parseReport(reportText(report))).toEqual(report)
  expect(parseReport(JSON.stringify(report))).toEqual(report)
})

it('is compared row by row with an earlier run', async () => {
  const { comparisonLines } = await lib('compare')
  const time = row({ name: 'open', value: 5, unit: 'ms' })
  const now = [row({}), time, row({ name: 'new' })]
  const results = [row({ value: 4.5e6 }), { ...time, value: 10 }, row({ name: 'gone' })]
  expect(comparisonLines(now, { machine, results })).toEqual([
    'beside the run of 2026-01-02T03:04:05.000Z (full load, one x 2):',
    '  2.00 x  E1: append 100 B, warm, disk: 9.00 M records/s now, 4.50 M records/s then',
    '  0.50 x  E1: open: 5.00 ms now, 10.0 ms then, less is better',
    '  figures that are not in that run, or in another unit: 1',
  ])
})

it('tells how a figure has changed from the first third of a run to the last', async () => {
  const { drift } = await lib('drift')
  expect(drift([1, 2, 3, 9, 9, 9, 4, 6, 5])).toBe(2.5)
  expect(drift([10, 5])).toBe(0.5)
  expect(drift([7])).toBe(1)
})

it.each([
  [3, [0, 1, 2]],
  [7, [2, 4, 6]],
  [40, [13, 26, 39]],
])('has three thirds of %i parts', async (parts, ends) => {
  const { endsThird } = await lib('drift')
  const all = Array.from({ length: parts }, (_, part) => part)
  expect(all.filter((part) => endsThird(part, parts))).toEqual(ends)
})

it('holds a long load to what the broker holds, not to what it takes meanwhile', async () => {
  const { benches } = await lib('catalog')
  const { complete } = await lib('runner')
  const grown = (name: string) => row({ id: 'X2', name, value: 11, unit: '%' })
  const rows = [
    grown('memory held, the end more than the beginning'),
    grown('memory as it stands, the end more than the beginning'),
  ]
  const [held, asItStands] = complete(rows, benches, 'full')
  expect(held.goals).toMatchObject([{ verdict: 'below' }])
  expect(asItStands.goals).toEqual([])
})

it('runs long benches when they are named, and not else', async () => {
  const { benches, select } = await lib('catalog')
  const idsOf = (found: { id: string }[]) => found.map((it) => it.id)
  expect(idsOf(benches)).toContain('X2')
  expect(idsOf(select([]))).not.toContain('X2')
  expect(select([])).toHaveLength(benches.length - 1)
  expect(idsOf(select(['X2', 'E1']))).toEqual(['E1', 'X2'])
  const matrix = idsOf(select(['matrix']))
  const rest = ['ingest', 'memory', 'S1']
  expect(matrix).toEqual(expect.arrayContaining(['E1', 'I2', 'F1', 'L2', 'C1', 'T1', ...rest]))
  const barred = benches.filter((it: { goals: unknown[] }) => it.goals.length > 0)
  expect(matrix).toEqual(idsOf(barred).filter((id) => id !== 'X2'))
  expect(matrix).not.toContain('X2')
})
