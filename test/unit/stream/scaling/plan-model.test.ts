/**
 * Streams with any load, split and merged as is decided: ranges always tile, changes come to an end
 * while the load stays as it is, and what is left can be done nothing about.
 */

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Shard } from '../../../../src/shard/shard.ts'
import { rangesOf } from '../../../../src/stream/reshard-plan.ts'
import { type Centre, centreOf, type LoadPoint } from '../../../../src/stream/scaling/centre.ts'
import { HeatTable } from '../../../../src/stream/scaling/heat-table.ts'
import { planScaling, type ScalingPlan } from '../../../../src/stream/scaling/plan.ts'
import type { ScalingSettings } from '../../../../src/stream/scaling/settings.ts'
import type { ShardId } from '../../../../src/wire/numbers.ts'
import { settings as base, shardOf, shardsAt, top } from './shards.ts'

const runs = Number(process.env['MILLRACE_SCALING_RUNS'] ?? 60)
const lookMillis = 10_000
/** Nothing has changed for so long: twice the window of merges. */
const quietLooks = 130
const looksMax = 6000
/** Records of each key that are looked at, and of the keys that are all over the range. */
const pointsPerKey = 20
const spreadPoints = 64

interface Load {
  /** Keys, with records a second. */
  readonly keys: readonly (readonly [hashKey: bigint, rate: number])[]
  /** Records a second of keys that are all over the hash space. */
  readonly spread: number
}

const key = fc.bigInt({ min: 1n, max: 2n ** 20n - 1n }).map((it) => it << 108n)
const load: fc.Arbitrary<Load> = fc.record({
  keys: fc.array(fc.tuple(key, fc.integer({ min: 0, max: 300 })), { maxLength: 12 }),
  spread: fc.integer({ min: 0, max: 1000 }),
})

function rateOf({ startingHashKey, endingHashKey }: Shard, { keys, spread }: Load): number {
  const width = Number(endingHashKey - startingHashKey + 1n) / 2 ** 128
  const own = keys.filter(([it]) => startingHashKey <= it && it <= endingHashKey)
  return own.reduce((sum, [, rate]) => sum + rate, width * spread)
}

/** The records of a shard as they would be found in the log. */
function pointsOf(shard: Shard, { keys, spread }: Load): LoadPoint[] {
  const { startingHashKey: start, endingHashKey: end } = shard
  const own = keys.filter(([it]) => start <= it && it <= end)
  const points = own.flatMap(([hashKey, rate]) =>
    Array.from({ length: pointsPerKey }, () => ({ hashKey, weight: rate / pointsPerKey })),
  )
  const width = end - start + 1n
  const weight = (Number(width) / 2 ** 128) * (spread / spreadPoints)
  for (let at = 0n; at < spreadPoints; at += 1n) {
    points.push({ hashKey: start + (width * (2n * at + 1n)) / BigInt(2 * spreadPoints), weight })
  }
  return points
}

class Simulation {
  readonly #settings: ScalingSettings
  readonly #isMeasured: boolean
  readonly #heat: HeatTable
  readonly #totals = new Map<ShardId, number>()
  #all: Shard[]
  open: Shard[]
  #fruitless: ReadonlyMap<number, number> = new Map()
  #changedMillis = 0
  #now = 0
  changes = 0
  plan: ScalingPlan | undefined

  constructor(settings: ScalingSettings, shardCount: number, isMeasured: boolean) {
    this.#settings = settings
    this.#isMeasured = isMeasured
    this.#heat = new HeatTable(settings)
    this.open = shardsAt(
      Array.from({ length: shardCount }, (_, at) => (BigInt(at) << 128n) / BigInt(shardCount)),
    )
    this.#all = [...this.open]
  }

  /** Goes on until nothing has changed for long. */
  settle(given: Load): void {
    let quiet = 0
    for (let looks = 0; quiet < quietLooks; looks += 1) {
      expect(looks, 'looks until nothing changes').toBeLessThan(looksMax)
      quiet = this.look(given) ? 0 : quiet + 1
    }
  }

  /** Whether anything was changed. */
  look(given: Load): boolean {
    this.#now += lookMillis
    for (const shard of this.open) {
      const total = this.#totals.get(shard.number) ?? 0
      this.#totals.set(shard.number, total + rateOf(shard, given) * (lookMillis / 1000))
    }
    const traffic = this.open.map(({ number: shard }) => {
      const records = this.#totals.get(shard) ?? 0
      return { shard, records, bytes: records, throttledRecords: 0 }
    })
    this.#heat.look(traffic, this.#now)
    const centres = new Map<number, Centre>()
    const hot = this.open.filter(
      (it) =>
        rateOf(it, given) >
        (this.#settings.splitPercent / 100) * this.#settings.shardRecordsPerSecond,
    )
    for (const shard of this.#isMeasured ? hot : []) {
      const centre = centreOf(shard, pointsOf(shard, given))
      if (centre !== undefined) centres.set(shard.index, centre)
    }
    const state = {
      open: this.open,
      history: new Map(this.open.map((it) => [it.number, this.#heat.historyOf(it.number)])),
      centres,
      fruitless: this.#fruitless,
      shardsMin: 1,
      changedMillis: this.#changedMillis,
    }
    const plan = planScaling(state, this.#settings, this.#now)
    this.plan = plan
    this.#fruitless = plan.fruitless
    return this.#carryOut(plan)
  }

  #carryOut({ splits, merges }: ScalingPlan): boolean {
    const changes = [...splits, ...merges]
    if (changes.length === 0) return false
    expect(splits.length === 0 || merges.length === 0).toBe(true)
    if (this.changes > 0) {
      const rested = this.#now - this.#changedMillis
      expect(rested).toBeGreaterThanOrEqual(this.#settings.cooldownMillis)
    }
    const byIndex = new Map(this.#all.map((it) => [it.index, it]))
    const gone = new Set(changes.flatMap((it) => it.replacement.parents))
    expect(gone.size, 'shards that are replaced twice').toBe(
      changes.flatMap((it) => it.replacement.parents).length,
    )
    const made: Shard[] = []
    for (const { replacement } of changes) {
      for (const range of rangesOf(replacement, byIndex)) {
        const index = this.#all.length + made.length
        made.push(shardOf(index, range.startingHashKey, range.endingHashKey, replacement.parents))
      }
    }
    this.#all = [...this.#all, ...made]
    this.open = [...this.open.filter((it) => !gone.has(it.index)), ...made].sort((a, b) =>
      a.startingHashKey < b.startingHashKey ? -1 : 1,
    )
    this.#changedMillis = this.#now
    this.changes += 1
    this.#checkTiles()
    return true
  }

  #checkTiles(): void {
    let next = 0n
    for (const { startingHashKey, endingHashKey } of this.open) {
      expect(startingHashKey).toBe(next)
      expect(endingHashKey).toBeGreaterThan(startingHashKey)
      next = endingHashKey + 1n
    }
    expect(next).toBe(top + 1n)
    expect(this.open.length).toBeLessThanOrEqual(this.#settings.shardsMax)
    expect(this.open.length).toBeGreaterThanOrEqual(this.#settings.shardsMin)
  }
}

/** When nothing changes any more, there is nothing that could be done. */
function checkSettled(it: Simulation, given: Load, settings: ScalingSettings): void {
  const loads = it.open.map((shard) => rateOf(shard, given) / settings.shardRecordsPerSecond)
  const blocked = new Set(it.plan?.blocked.map(({ shard }) => shard.index))
  it.open.forEach(({ index }, at) => {
    const isHot = (loads[at] as number) > settings.splitPercent / 100 + 1e-9
    if (isHot) expect(blocked.has(index), `shard ${index} is hot, and blocked`).toBe(true)
  })
  const needed = 2 * loads.reduce((sum, each) => sum + Math.min(1, each), 0)
  const least = Math.max(settings.shardsMin, Math.ceil(needed + 1e-9))
  for (let at = 0; at + 1 < loads.length && it.open.length > least; at += 1) {
    const both = (loads[at] as number) + (loads[at + 1] as number)
    expect(both).toBeGreaterThanOrEqual(settings.mergePercent / 100 - 1e-9)
  }
}

/** Where records were looked at, a hot key is one that has nearly all of its shard. */
function checkHotKeys({ plan }: Simulation, given: Load): void {
  for (const { shard, blockReason } of plan?.blocked ?? []) {
    if (blockReason !== 'HOT_KEY') continue
    const weights = new Map<bigint, number>()
    for (const { hashKey, weight } of pointsOf(shard, given)) {
      weights.set(hashKey, (weights.get(hashKey) ?? 0) + weight)
    }
    const largest = Math.max(...weights.values())
    expect(largest / rateOf(shard, given)).toBeGreaterThanOrEqual(0.79)
  }
}

const settings: fc.Arbitrary<ScalingSettings> = fc
  .record({
    shardsMin: fc.integer({ min: 1, max: 4 }),
    shardsMax: fc.integer({ min: 4, max: 24 }),
    cooldownMillis: fc.integer({ min: 0, max: 200_000 }),
    splitPercent: fc.integer({ min: 40, max: 100 }),
    mergePercent: fc.integer({ min: 0, max: 20 }),
  })
  .map((it) => ({ ...base, ...it }))

test('changes come to an end under any load that stays, also after another one', () => {
  const loads = fc.array(load, { minLength: 1, maxLength: 3 })
  const property = fc.property(
    settings,
    loads,
    fc.boolean(),
    fc.integer({ min: 1, max: 4 }),
    (set, each, isMeasured, shardCount) => {
      const it = new Simulation(set, Math.max(shardCount, set.shardsMin), isMeasured)
      for (const given of each) {
        it.settle(given)
        checkSettled(it, given, set)
        if (isMeasured && each.length === 1) checkHotKeys(it, given)
      }
    },
  )
  fc.assert(property, { numRuns: runs })
}, 120_000)

test('a load that comes and goes changes little', () => {
  const it = new Simulation({ ...base, shardsMin: 1 }, 1, true)
  const day: Load = { keys: [], spread: 350 }
  const night: Load = { keys: [], spread: 5 }
  it.settle(day)
  const [shards, changes] = [it.open.length, it.changes]
  expect(shards).toBe(8)
  // Bursts that are shorter than the window of merges leave the shards alone.
  for (let burst = 0; burst < 20; burst += 1) {
    for (let look = 0; look < 50; look += 1) it.look(night)
    for (let look = 0; look < 10; look += 1) it.look(day)
  }
  expect([it.open.length, it.changes]).toEqual([shards, changes])
})
