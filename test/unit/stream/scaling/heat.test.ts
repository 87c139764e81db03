/** What is kept of the rates of a shard. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ShardTraffic } from '../../../../src/log/log.ts'
import {
  type HeatHistory,
  isAtRest,
  isMeasuredSince,
  meanRates,
  measuredMillis,
  peakLoad,
  ratesOf,
  withSample,
} from '../../../../src/stream/scaling/heat.ts'
import { HeatTable } from '../../../../src/stream/scaling/heat-table.ts'
import type { ShardId } from '../../../../src/wire/numbers.ts'
import { settings } from './shards.ts'

const lookMillis = 10_000

/** The history of a shard with these records a second, one look after the other from 0 on. */
function historyOf(rates: readonly number[]): HeatHistory {
  return rates.reduce<HeatHistory>((history, recordsPerSecond, at) => {
    const fromMillis = at * lookMillis
    const sample = { fromMillis, toMillis: fromMillis + lookMillis, recordsPerSecond }
    return withSample(history, { ...sample, bytesPerSecond: 10 * recordsPerSecond }, settings)
  }, [])
}

describe('a history', () => {
  test('is exact for the window of splits, and at its highest for that of merges', () => {
    const rate = fc.integer({ min: 0, max: 200 })
    const property = fc.property(fc.array(rate, { minLength: 7, maxLength: 200 }), (rates) => {
      const history = historyOf(rates)
      const now = rates.length * lookMillis
      const mean = rates.slice(-6).reduce((sum, it) => sum + it, 0) / 6
      const found = meanRates(history, now - settings.splitMillis, now)
      expect(found?.recordsPerSecond).toBeCloseTo(mean, 6)
      expect(found?.bytesPerSecond).toBeCloseTo(10 * mean, 6)
      const since = now - settings.mergeMillis
      const exact = Math.max(...rates.slice(-60)) / 100
      const wider = Math.max(...rates.slice(-68)) / 100
      const peak = peakLoad(history, since, settings)
      expect(peak).toBeGreaterThanOrEqual(exact)
      expect(peak).toBeLessThanOrEqual(wider)
      expect(isMeasuredSince(history, since)).toBe(rates.length >= 60)
      expect(history.length).toBeLessThanOrEqual(6 + 2 * 9)
    })
    fc.assert(property)
  })

  test('of a shard at rest is one sample', () => {
    const history = historyOf(Array.from({ length: 100 }, () => 0))
    expect(history).toHaveLength(1)
    expect([isAtRest(history), measuredMillis(history)]).toEqual([true, 1_000_000])
    expect([isAtRest([]), isAtRest(historyOf([0, 1])), isAtRest(historyOf([1, 0]))]).toEqual([
      true,
      false,
      true,
    ])
  })

  test('that is too short has no mean of the window, and rates all the same', () => {
    const history = historyOf([10, 20])
    expect(meanRates(history, -1, 20_000)).toBe(undefined)
    expect(meanRates([], 0, 1)).toBe(undefined)
    expect(ratesOf(history, settings.splitMillis).recordsPerSecond).toBe(15)
    expect(ratesOf([], settings.splitMillis).recordsPerSecond).toBe(0)
  })
})

describe('the table of shards', () => {
  const one = 1n as ShardId
  const traffic = (shard: ShardId, records: number): ShardTraffic => {
    return { shard, records, bytes: 2 * records, throttledRecords: 0 }
  }

  test('measures from look to look, and forgets what is gone', () => {
    const table = new HeatTable(settings)
    table.look([traffic(one, 500), traffic(2n as ShardId, 0)], 1000)
    expect(table.historyOf(one)).toEqual([])
    table.look([traffic(one, 600), traffic(2n as ShardId, 0)], 3000)
    const sample = { fromMillis: 1000, toMillis: 3000, recordsPerSecond: 50, bytesPerSecond: 100 }
    expect(table.historyOf(one)).toEqual([sample])
    table.look([traffic(2n as ShardId, 0)], 4000)
    expect(table.historyOf(one)).toEqual([])
    expect(table.historyOf(2n as ShardId)).toHaveLength(1)
  })

  test('knows how long a shard has rested, and when that was over', () => {
    const table = new HeatTable(settings)
    for (const millis of [0, 10_000, 20_000, 30_000]) table.look([traffic(one, 7)], millis)
    expect(table.isAtRest(one)).toBe(true)
    const rest = { fromMillis: 0, toMillis: 30_000, recordsPerSecond: 0, bytesPerSecond: 0 }
    expect(table.historyOf(one)).toEqual([rest])
    table.look([traffic(one, 107)], 40_000)
    const busy = { fromMillis: 30_000, toMillis: 40_000, recordsPerSecond: 10, bytesPerSecond: 20 }
    expect(table.historyOf(one)).toEqual([rest, busy])
    expect(table.isAtRest(one)).toBe(false)
  })

  test('begins anew where counters do, and takes no time for none', () => {
    const table = new HeatTable(settings)
    table.look([traffic(one, 500)], 1000)
    table.look([traffic(one, 900)], 1000)
    expect(table.historyOf(one)).toEqual([])
    table.look([traffic(one, 700)], 2000)
    expect(table.historyOf(one)[0]?.recordsPerSecond).toBe(200)
    table.look([traffic(one, 5)], 3000)
    expect(table.historyOf(one)).toEqual([])
  })

  test('has few samples and the right rates, however often it is asked', () => {
    const table = new HeatTable(settings)
    let records = 0
    // 50 a second, and then 100.
    for (let millis = 0; millis <= 100_000; millis += 1) {
      if (millis % 20 === 0 || (millis > 70_000 && millis % 10 === 0)) records += 1
      table.look([traffic(one, records)], millis)
      if (millis % 1000 === 0) expect(table.historyOf(one).length).toBeLessThanOrEqual(80)
    }
    const history = table.historyOf(one)
    expect(history.at(-1)?.toMillis).toBe(100_000)
    expect(ratesOf(history, settings.splitMillis).recordsPerSecond).toBeCloseTo(75, 6)
    expect(meanRates(history, 80_000, 90_000)?.recordsPerSecond).toBeCloseTo(100, 6)
    expect(peakLoad(history, 0, settings)).toBeCloseTo(1, 6)
    expect(isMeasuredSince(history, 0)).toBe(true)
  })

  test('measures what begins at a shard at rest from when it began', () => {
    const table = new HeatTable(settings)
    for (let millis = 0; millis <= 20_000; millis += 250) {
      table.look([traffic(one, Math.max(0, millis - 10_000) / 10)], millis)
    }
    const history = table.historyOf(one)
    expect(meanRates(history, 0, 10_000)?.recordsPerSecond).toBe(0)
    expect(meanRates(history, 10_000, 20_000)?.recordsPerSecond).toBeCloseTo(100, 6)
  })
})

test('the highest load is found in a history of any length', () => {
  const history = Array.from({ length: 200_000 }, (_, fromMillis) => ({
    fromMillis,
    toMillis: fromMillis + 1,
    recordsPerSecond: fromMillis === 150_000 ? 90 : 10,
    bytesPerSecond: 0,
  }))
  expect(peakLoad(history, 0, settings)).toBe(0.9)
  expect(peakLoad(history, 150_001, settings)).toBe(0.1)
})
