/** What is split and merged at which loads, and what is not. */

import { describe, expect, test } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import type { Shard } from '../../../../src/shard/shard.ts'
import type { Centre } from '../../../../src/stream/scaling/centre.ts'
import type { HeatHistory } from '../../../../src/stream/scaling/heat.ts'
import { planScaling, type ScalingState } from '../../../../src/stream/scaling/plan.ts'
import { type ScalingSettings, scalingSettings } from '../../../../src/stream/scaling/settings.ts'
import { settings, shardOf, steady, top, uniformShards } from './shards.ts'

const now = 10_000_000
const long = now - 5_000_000

/** Each shard with a rate of its own, or a history. */
function stateOf(
  open: readonly Shard[],
  heat: readonly (number | HeatHistory)[],
  rest: Partial<ScalingState> = {},
): ScalingState {
  const histories = heat.map((it) => (typeof it === 'number' ? steady(it, [long, now]) : it))
  return {
    open,
    history: new Map(open.map((it, at) => [it.number, histories[at] ?? []])),
    centres: new Map(),
    fruitless: new Map(),
    shardsMin: 1,
    changedMillis: long,
    ...rest,
  }
}

/** `s1@50` splits shard 1 at 50 %, `m0+1` merges, `b2 HOT_KEY` is blocked. */
function planned(state: ScalingState, changed: Partial<ScalingSettings> = {}): string[] {
  const { splits, merges, blocked } = planScaling(state, { ...settings, ...changed }, now)
  return [
    ...splits.map(({ replacement }) => {
      const [parent] = replacement.parents
      const at =
        Math.round(Number(((replacement.startingHashKeys[1] as bigint) * 100_000n) >> 128n) / 10) /
        100
      return `s${parent}@${at}`
    }),
    ...merges.map(({ replacement }) => `m${replacement.parents.join('+')}`),
    ...blocked.map(({ shard, blockReason }) => `b${shard.index} ${blockReason}`),
  ]
}

const four = uniformShards(4)
const centre = (percent: number, largestShare = 0.1): Centre => ({
  hashKey: (BigInt(percent) << 128n) / 100n,
  largestShare,
})

describe('a hot shard', () => {
  test.each<[string, readonly (number | HeatHistory)[], readonly string[]]>([
    ['is split in the middle', [80, 20, 20, 20], ['s0@12.5']],
    ['is one above the threshold, and not at it', [50, 51, 20, 20], ['s1@37.5']],
    [
      'is split with all others, the hottest first',
      [60, 20, 90, 70],
      ['s2@62.5', 's3@87.5', 's0@12.5'],
    ],
    [
      'is one by its bytes, too',
      [
        [{ fromMillis: long, toMillis: now, recordsPerSecond: 1, bytesPerSecond: 51_000 }],
        20,
        20,
        20,
      ],
      ['s0@12.5'],
    ],
    [
      'has been so for the whole window',
      [steady(90, [now - 60_000, now]), 20, 20, 20],
      ['s0@12.5'],
    ],
    ['has not been measured for so long', [steady(90, [now - 59_000, now]), 20, 20, 20], []],
    [
      'was hot in one half of the window alone',
      [[...steady(400, [long, now - 30_000]), ...steady(10, [now - 30_000, now])], 20, 20, 20],
      [],
    ],
    [
      'was hot before the window',
      [[...steady(400, [long, now - 60_000]), ...steady(10, [now - 60_000, now])], 20, 20, 20],
      [],
    ],
  ])('%s', (_, heat, wanted) => {
    expect(planned(stateOf(four, heat))).toEqual(wanted)
  })

  test('is split at the measured centre of its load', () => {
    const state = stateOf(four, [80, 20, 20, 20], { centres: new Map([[0, centre(3)]]) })
    expect(planned(state)).toEqual(['s0@3'])
  })

  test('is not split beyond the most shards: the hottest are', () => {
    const state = stateOf(four, [60, 70, 80, 90])
    expect(planned(state, { shardsMax: 6 })).toEqual([
      's3@87.5',
      's2@62.5',
      'b1 SHARDS_MAX',
      'b0 SHARDS_MAX',
    ])
  })

  test('is one of 16 that are split at a time', () => {
    const many = uniformShards(20)
    const state = stateOf(
      many,
      Array.from(many, (_, at) => 60 + at),
    )
    expect(planned(state, { shardsMax: 100 })).toHaveLength(16)
    expect(planned(state, { shardsMax: 100 })[0]).toBe('s19@97.5')
    const cold = stateOf(uniformShards(50), Array(50).fill(0))
    expect(planned(cold)).toHaveLength(16)
  })

  test('waits for the end of the cool-down', () => {
    const rest = { changedMillis: now - settings.cooldownMillis + 1 }
    expect(planned(stateOf(four, [80, 1, 1, 1], rest))).toEqual([])
    expect(planScaling(stateOf(four, [80, 1, 1, 1], rest), settings, now).restMillis).toBe(1)
    const over = { changedMillis: now - settings.cooldownMillis }
    expect(planned(stateOf(four, [80, 1, 1, 1], over))).toEqual(['s0@12.5'])
  })

  test('says why', () => {
    const { splits } = planScaling(stateOf(four, [81, 20, 20, 20]), settings, now)
    expect(splits[0]?.reason).toBe(
      'it has had 81 % of what a shard carries for 60 s, more than 50 %',
    )
  })
})

describe('a hot key', () => {
  const low = shardOf(1, 0n, top / 2n, [0])
  const high = shardOf(2, top / 2n + 1n, top, [0])
  const afterSplits = (count: number) => ({ fruitless: new Map([[0, count]]) })

  test('is to blame after three splits that took nothing off', () => {
    expect(planned(stateOf([low, high], [95, 5], afterSplits(1)))).toEqual(['s1@25'])
    expect(planned(stateOf([low, high], [95, 5], afterSplits(2)))).toEqual(['b1 HOT_KEY'])
    const { fruitless, blocked } = planScaling(
      stateOf([low, high], [95, 5], afterSplits(2)),
      settings,
      now,
    )
    expect(fruitless.get(1)).toBe(3)
    expect(blocked[0]?.reason).toContain('the last 3 splits took nothing off it')
  })

  test('is not, where a split took something off', () => {
    expect(planned(stateOf([low, high], [85, 15], afterSplits(2)))).toEqual(['s1@25'])
    expect(planned(stateOf([low, high], [95, 5], afterSplits(2)))).toEqual(['b1 HOT_KEY'])
  })

  test('is seen in the records, once a split has taken nothing off', () => {
    const centres = new Map([[1, centre(10, 0.8)]])
    expect(planned(stateOf([low, high], [95, 5], { centres }))).toEqual(['b1 HOT_KEY'])
    // Records do not have their explicit hash keys: one split has to tell.
    expect(
      planned(stateOf([shardOf(0, 0n, top)], [95], { centres: new Map([[0, centre(10, 1)]]) })),
    ).toEqual(['s0@10'])
  })

  test('is what a range has that cannot be split', () => {
    const narrow = [shardOf(0, 0n, 2n), shardOf(1, 3n, top)]
    expect(planned(stateOf(narrow, [90, 40]))).toEqual(['b0 HOT_KEY'])
    const enough = [shardOf(0, 0n, 3n), shardOf(1, 4n, top)]
    expect(planned(stateOf(enough, [90, 40]))).toEqual(['s0@0'])
  })

  test('is forgotten when the shard has been cool for as long as merges take', () => {
    const state = (heat: HeatHistory) =>
      stateOf([low, high], [heat, 40], { fruitless: new Map([[1, 3]]) })
    const kept = planScaling(
      state([...steady(95, [long, now - 500_000]), ...steady(5, [now - 500_000, now])]),
      settings,
      now,
    )
    expect(kept.fruitless.get(1)).toBe(3)
    const forgotten = planScaling(
      state([...steady(95, [long, now - 600_000]), ...steady(5, [now - 600_000, now])]),
      settings,
      now,
    )
    expect(forgotten.fruitless.get(1)).toBe(undefined)
  })

  test('cuts elsewhere when the centre of the records has taken nothing off', () => {
    const centres = new Map([[1, centre(10)]])
    expect(planned(stateOf([low, high], [95, 5], { centres }))).toEqual(['s1@25'])
    expect(planned(stateOf([low, high], [95, 5], { centres, ...afterSplits(1) }))).toEqual([
      's1@10',
    ])
  })
})

describe('cold shards', () => {
  test.each<[string, readonly (number | HeatHistory)[], readonly string[]]>([
    ['are merged with their neighbours, the coldest first', [5, 1, 0, 3], ['m1+2']],
    ['are merged in pairs', [1, 0, 0, 1], ['m1+2']],
    ['are merged when both together are cold', [5, 7, 30, 30], []],
    ['... below the threshold', [5, 6, 30, 30], ['m0+1']],
    [
      'are not when one was warm within the window',
      [[...steady(20, [long, now - 599_000]), ...steady(0, [now - 599_000, now])], 0, 30, 30],
      [],
    ],
    [
      'are when it was before',
      [[...steady(20, [long, now - 600_000]), ...steady(0, [now - 600_000, now])], 0, 30, 30],
      ['m0+1'],
    ],
    [
      'are not before they were measured for so long',
      [steady(0, [now - 599_000, now]), 0, 30, 30],
      [],
    ],
    ['wait while another one is split', [0, 0, 30, 60], ['s3@87.5']],
  ])('%s', (_, heat, wanted) => {
    expect(planned(stateOf(four, heat))).toEqual(wanted)
  })

  test('are as many as carry twice what came at the most', () => {
    expect(planned(stateOf(four, [0, 0, 50, 50]))).toEqual(['m0+1'])
    expect(planned(stateOf(four, [0, 0, 50, 50]), { splitPercent: 100 })).toEqual(['m0+1'])
    expect(planned(stateOf(four, [0, 0, 90, 90]), { splitPercent: 100 })).toEqual([])
  })

  test('are no fewer than the least, of the settings and of the stream', () => {
    const eight = uniformShards(8)
    const cold = Array.from({ length: 8 }, () => 0)
    expect(planned(stateOf(eight, cold))).toEqual(['m0+1', 'm2+3', 'm4+5', 'm6+7'])
    expect(planned(stateOf(eight, cold), { shardsMin: 6 })).toEqual(['m0+1', 'm2+3'])
    expect(planned(stateOf(eight, cold, { shardsMin: 7 }))).toEqual(['m0+1'])
    expect(planned(stateOf(eight, cold, { shardsMin: 8 }))).toEqual([])
    expect(planned(stateOf(uniformShards(1), [0]))).toEqual([])
  })

  test('are merged beside a hot key that nothing can be done about', () => {
    const state = stateOf(four, [500, 20, 0, 0], { fruitless: new Map([[0, 3]]) })
    expect(planned(state)).toEqual(['m2+3', 'b0 HOT_KEY'])
  })
})

describe('settings', () => {
  test('that contradict each other are refused', () => {
    const refused = (given: Partial<ScalingSettings>) => {
      try {
        scalingSettings(given)
      } catch (error) {
        return (error as MillraceError).message
      }
      return 'taken'
    }
    expect(refused({})).toBe('taken')
    expect(refused({ mergePercent: 25 })).toBe('taken')
    expect(refused({ mergePercent: 26 })).toContain(
      'scaling.mergePercent is 26, wanted at most half',
    )
    expect(refused({ mergeMillis: 59_999 })).toContain('scaling.mergeMillis is 59999')
    expect(refused({ shardsMin: 65 })).toContain('scaling.shardsMin is 65, wanted at most')
    expect(() => scalingSettings({ shardsMin: 65 })).toThrow(MillraceError)
  })
})
