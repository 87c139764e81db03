/** The figures of the README: drawn from results, the same each time. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const bench = new URL('../../bench/', import.meta.url)
// Plain JavaScript without declarations, as the bench has no build step.
const lib = async (name: string) => await import(new URL(`plot/lib/${name}.mjs`, bench).href)

const machine = { date: '2026-01-02T03:04:05.000Z', processor: 'one & only <x> 2' }
const report = (name: string, results: readonly object[]) => ({ name, machine, results })

const fanOut = (subscribers: number, value: number, more = '') => ({
  id: 'F1',
  name: `100 records a batch, ${subscribers} subscribers${more}`,
  params: { subscribers },
  value,
  unit: 'records/s',
  limit: { name: 'raw uWebSockets send', value: value / 2 },
})

const latency = (at: string, value: number) => ({
  id: 'L2',
  name: `put to push, disk, 1000 records/s, ${at}`,
  params: { durability: 'disk' },
  value,
  unit: 'us',
  limit: { name: 'raw uWebSockets, fdatasync between', value: value / 2 },
})

const compared = {
  id: 'I6',
  name: 'PutRecords',
  params: { durability: 'disk' },
  value: 5e6,
  unit: 'records/s',
  peers: [
    { name: 'slow', version: '1', durability: 'none', value: 1e3, unit: 'records/s', ratio: 5000 },
    { name: 'fast', version: '2', durability: 'disk', value: 1e7, unit: 'records/s', ratio: 0.5 },
    { name: 'gone', absent: 'not installed' },
  ],
}

const all = report('all.json', [
  fanOut(1, 10e6),
  fanOut(1000, 20e6),
  fanOut(1, 4e6, ', each batch by itself'),
  fanOut(1000, 8e6, ', each batch by itself'),
  latency('p50', 300),
  latency('p99', 1100),
  latency('p99.9', 12_000),
  compared,
])

/** Elements that are opened and closed in their order, or an error. */
function checkNesting(svg: string): void {
  const open: string[] = []
  for (const [, close, name = '', empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name)
    else if (!empty) open.push(name)
  }
  expect(open).toEqual([])
}

const texts = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text ?? '')

const positions = (svg: string, attribute: string, kind: string): number[] =>
  [...svg.matchAll(/<circle[^>]*>/g)]
    .map(([circle]) => circle)
    .filter((circle) => circle.includes(`class="${kind}"`))
    .map((circle) => Number(new RegExp(` ${attribute}="([\\d.]+)"`).exec(circle)?.[1]))

async function draw(name: string, ...reports: readonly object[]): Promise<string> {
  const { figures } = await lib('figures')
  return figures[name].draw(reports)
}

describe('a figure', () => {
  it.each(['subscribers', 'latency', 'peers'])('%s is whole, the same twice', async (name) => {
    const svg = await draw(name, all)
    checkNesting(svg)
    expect(svg).toContain('prefers-color-scheme: dark')
    expect(svg).toContain('<metadata>all.json</metadata>')
    expect(svg).toContain('one &amp; only &lt;x&gt; 2')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
    expect(await draw(name, all)).toBe(svg)
    const size = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)
    for (const kind of ['ours', 'theirs', 'also']) {
      for (const x of positions(svg, 'cx', kind)) expect(x).toBeLessThan(Number(size?.[1]))
      for (const y of positions(svg, 'cy', kind)) expect(y).toBeLessThan(Number(size?.[2]))
    }
  })

  it.each(['subscribers', 'latency', 'peers'])('%s is not drawn from nothing', async (name) => {
    expect(await draw(name, report('none.json', []))).toBeUndefined()
  })

  it('of subscribers has a line for each, higher where there is more', async () => {
    const svg = await draw('subscribers', all)
    expect(svg.match(/<path /g)).toHaveLength(3)
    const [first = 0, last = 0] = positions(svg, 'cy', 'ours')
    expect(last).toBeLessThan(first)
    const [raw = 0] = positions(svg, 'cy', 'theirs')
    expect(raw).toBeGreaterThan(first)
    expect(texts(svg)).toEqual(expect.arrayContaining(['Millrace', '1,000', '20 M']))
  })

  it('of latency has three percentiles of ours and of the raw server, in their order', async () => {
    const svg = await draw('latency', all)
    const ours = positions(svg, 'cx', 'ours')
    expect(ours).toHaveLength(3)
    expect(ours).toEqual(ours.toSorted((a, b) => a - b))
    expect(positions(svg, 'cx', 'theirs')).toHaveLength(3)
    expect(texts(svg)).toEqual(expect.arrayContaining(['1000 records/s, disk', 'p99.9', '12 ms']))
  })

  it('of peers has those that were measured, and how many times theirs ours is', async () => {
    const svg = await draw('peers', all)
    expect(positions(svg, 'cx', 'theirs')).toHaveLength(2)
    const said = texts(svg)
    expect(said).toContain('PutRecords, disk')
    expect(said).toContain('slow 1, in memory')
    expect(said).toContain('1.00 k records/s, ours 5000 x')
    expect(said).toContain('10.0 M records/s, ours 0.500 x')
    expect(svg).not.toContain('gone')
  })

  it('takes a bench from the last report that has it', async () => {
    const later = { ...compared, value: 6e6 }
    const svg = await draw(
      'peers',
      all,
      report('b.json', [later]),
      report('c.json', [fanOut(1, 1)]),
    )
    expect(svg).toContain('<metadata>b.json</metadata>')
    expect(texts(svg)).toContain('6.00 M records/s')
  })
})

describe('the figures of the README', () => {
  it('are those that there are, and what their results make', async () => {
    const { beginMarker, endMarker, figures, replaceFigures } = await lib('figures')
    const { readReports } = await lib('reports')
    const reports = readReports(new URL('results', bench).pathname)
    const names = Object.keys(figures).filter((name) =>
      existsSync(new URL(`plot/figures/${name}.svg`, bench)),
    )
    expect(names.length).toBeGreaterThanOrEqual(2)
    expect(readdirSync(new URL('plot/figures', bench)).length).toBe(names.length)
    for (const name of names) {
      const svg = readFileSync(new URL(`plot/figures/${name}.svg`, bench), 'utf8')
      const files = /<metadata>(.*)<\/metadata>/.exec(svg)?.[1]?.split(' ') ?? []
      const own = reports.filter((it: { name: string }) => files.includes(it.name))
      // Results that came later do not make it wrong.
      expect(figures[name].draw(own), `${name}: npm run bench:plot`).toBe(svg)
    }
    const readme = readFileSync(new URL('../README.md', bench), 'utf8')
    expect(replaceFigures(readme, names)).toBe(readme)
    expect(readme.indexOf(endMarker)).toBeGreaterThan(readme.indexOf(beginMarker))
    expect(() => replaceFigures('none', names)).toThrow('markers')
  })

  it('stand below a sentence with the numbers of results, which names their files', async () => {
    const { measuredText, replaceMeasured } = await lib('measured')
    const { readReports } = await lib('reports')
    const readme = readFileSync(new URL('../README.md', bench), 'utf8')
    const reports = readReports(new URL('results', bench).pathname)
    // Results that came later do not make it wrong.
    const own = reports.filter((it: { name: string }) => readme.includes(it.name))
    expect(own).not.toHaveLength(0)
    expect(replaceMeasured(readme, measuredText(own)), 'npm run bench:plot').toBe(readme)
    const single = { id: 'I4', name: 'single puts', value: 7e6, unit: 'records/s' }
    const later = { ...own[0], name: 'later.json', results: [single] }
    expect(measuredText([...own, later])).toMatch(/^7\.00 M records\/s as single puts/m)
    const elsewhere = { ...later, machine: { ...own[0].machine, processor: 'another' } }
    expect(measuredText([...own, elsewhere])).toBe(measuredText(own))
    expect(measuredText([{ ...own[0], results: own[0].results.slice(1) }])).toBeDefined()
    expect(measuredText([{ ...own[0], results: [] }])).toBeUndefined()
    expect(() => replaceMeasured('none', '')).toThrow('markers')
  })
})
