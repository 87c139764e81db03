/** How figures are told: percentiles, rows, live lines, comparisons. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { rowLines, rowOf } from '../../../../src/cli/bench/bench-row.ts'
import { compare, comparisonLines, readRows } from '../../../../src/cli/bench/compare.ts'
import { Latency } from '../../../../src/cli/bench/latency.ts'
import { liveText } from '../../../../src/cli/bench/live-line.ts'
import { machineFacts } from '../../../../src/cli/bench/machine-facts.ts'
import { planOf } from '../../../../src/cli/bench/plan.ts'

/** 1 to 1000 ms. */
function thousand(): Latency {
  const latency = new Latency()
  for (let millis = 1; millis <= 1000; millis += 1) latency.record(millis)
  return latency
}

function row(millisFactor = 1, broker: number | undefined = 2, records = 5000) {
  const latency = new Latency()
  for (let at = 1; at <= 100; at += 1) latency.record(at * millisFactor)
  const percentiles = latency.percentiles()
  return rowOf(
    planOf('put', {}),
    {
      measured: { records, seconds: 10, cpuSeconds: { broker, generator: 3 } },
      percentiles: percentiles === undefined ? {} : { 'put to acknowledgement': percentiles },
      lateShare: 0.02,
      reports: [],
      put: 6000,
      refused: 0,
      firstRefusal: undefined,
    },
    machineFacts(),
  )
}

describe('times', () => {
  it('are told to three digits, and the largest as it is', () => {
    const all = thousand().percentiles()
    const wanted = { p50: 500_000, p90: 900_000, p99: 990_000, 'p99.9': 999_000, max: 1_000_000 }
    for (const [at, micros] of Object.entries(wanted)) {
      const told = all?.[at as keyof typeof wanted] as number
      expect(Math.abs(told / micros - 1), at).toBeLessThan(1e-3)
    }
    expect(all?.count).toBe(1000)
    expect(all?.['p99.99']).toBeLessThanOrEqual(all?.max as number)
  })

  it('of a second are those since the last look, and none is lost to the whole', () => {
    const latency = thousand()
    expect(latency.recentP99()).toBeCloseTo(990, -1)
    expect(latency.recentP99()).toBeUndefined()
    latency.record(5000)
    expect(latency.recentP99()).toBeCloseTo(5000, -2)
    expect(latency.percentiles()?.count).toBe(1001)
  })

  it('are none where nothing came, and stay within the histogram', () => {
    expect(new Latency().percentiles()).toBeUndefined()
    const latency = new Latency()
    latency.record(-1)
    latency.record(Number.MAX_SAFE_INTEGER)
    expect(latency.percentiles()?.count).toBe(2)
  })
})

describe('a row', () => {
  it('has the rate, the CPU seconds of both sides and the parameters', () => {
    expect(row()).toMatchObject({
      id: 'bench-put',
      value: 500,
      unit: 'records/s',
      peers: [],
      cpuSeconds: { broker: 2, generator: 3 },
      recordsPerBrokerCpuSecond: 2500,
      params: { rate: 10_000, recordBytes: 100, durability: 'disk' },
      verified: true,
    })
    expect(rowLines(row()).join('\n')).toMatch(/rate +500 records\/s.*2,500 records per CPU sec/s)
    expect(rowLines(row()).join('\n')).toContain('was at its limit')
  })

  it('leaves out what the broker does not tell', () => {
    const silent = rowOf(
      planOf('get', { rate: 'max' }),
      {
        measured: { records: 1, seconds: 1, cpuSeconds: { broker: undefined, generator: 3 } },
        percentiles: {},
        lateShare: undefined,
        reports: [],
        put: 1,
        refused: 0,
        firstRefusal: undefined,
      },
      machineFacts(),
    )
    expect(silent.cpuSeconds).toEqual({ generator: 3 })
    expect(silent).not.toHaveProperty('recordsPerBrokerCpuSecond')
    expect(silent).not.toHaveProperty('percentiles')
    expect(rowLines(silent).join('\n')).toContain('unknown')
  })
})

it('shows the rates of the second that has passed', () => {
  const before = { atMillis: 2000, counts: { put: 100, pushed: 1000 } }
  const now = { atMillis: 2500, counts: { put: 1100, pushed: 11_000 } }
  const text = liveText(1000, before, now, { recordBytes: 1024, p99: 1.5 })
  expect(text.replaceAll(/ +/g, ' ')).toBe(
    ' 2 s put 2,000/s 2.0 MiB/s pushed 20,000/s 19.5 MiB/s p99 1.5 ms',
  )
})

describe('a comparison', () => {
  function file(text: string): string {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-compare-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const path = join(directory, 'rows.json')
    writeFileSync(path, text)
    return path
  }

  it('is this run over the last one with the same parameters', () => {
    const same = { ...row(2), value: 250, at: '2026-01-01' }
    const other = { ...row(), at: '2026-01-02', params: { ...row().params, keys: 1 } }
    const lines = [same, other].map((it) => JSON.stringify(it)).join('\n')
    const earlier = readRows(file(`${lines}\n`))
    const found = compare(row(), earlier)
    expect(found).toMatchObject({ at: '2026-01-01', differing: [], ratios: { rate: 2 } })
    expect(found?.ratios['put to acknowledgement, p99']).toBeCloseTo(0.5, 2)
    expect(comparisonLines(row(), earlier)[1]).toBe('  2.00 x  rate: 500 records/s')
  })

  it('names the parameters that are not the same, and says where there is nothing', () => {
    const other = { ...row(), params: { ...row().params, keys: 1 } }
    expect(compare(row(), [other])?.differing).toEqual(['keys'])
    expect(comparisonLines(row(), [{ ...row(), id: 'bench-get' }])).toEqual([
      'compared  there is no earlier run of bench-put',
    ])
  })

  it.each(['{', '{"id":"bench-put"}', 'null', '[1]'])('refuses a file with %j', (text) => {
    expect(() => readRows(file(text))).toThrow(expect.objectContaining({ code: 'FILE_UNREADABLE' }))
  })

  it('refuses a file that is not there', () => {
    expect(() => readRows('/no/such/file')).toThrow('no such file')
  })
})
