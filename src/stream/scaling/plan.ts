/**
 * Which shards of a stream in ON_DEMAND mode are split and merged now, and why. Hot shards are
 * split soon, so that a stream carries twice what it has had; cold neighbours are merged much
 * later, and only where both together are far from hot: nothing is undone while the load stays as
 * it is. Pure.
 */

import type { Shard } from '../../shard/shard.ts'
import type { ShardId } from '../../wire/numbers.ts'
import type { ScalingBlock as WireBlock } from '../../wire/structures.ts'
import { canSplitAt, middleOf } from '../reshard-plan.ts'
import type { Replacement } from '../stream.ts'
import type { Centre } from './centre.ts'
import { type HeatHistory, isMeasuredSince, loadOf, meanRates, peakLoad } from './heat.ts'
import type { ScalingSettings } from './settings.ts'

/** What is known of one stream. */
export interface ScalingState {
  /** In the order of their ranges. */
  readonly open: readonly Shard[]
  readonly history: ReadonlyMap<ShardId, HeatHistory>
  /** Where the loads of shards are halved, by index, where that was measured. */
  readonly centres: ReadonlyMap<number, Centre>
  /** By index: how many splits one after the other have led to this shard and taken nothing off. */
  readonly fruitless: ReadonlyMap<number, number>
  /** Merges go no lower. */
  readonly shardsMin: number
  /** When the shards changed for the last time, or a change failed, or measuring began. */
  readonly changedMillis: number
}

export interface ScalingChange {
  readonly shards: readonly Shard[]
  readonly replacement: Replacement
  readonly reason: string
}

export type BlockReason = WireBlock['blockReason']

/** A hot shard that is not split. */
export interface ScalingBlock {
  readonly shard: Shard
  readonly blockReason: BlockReason
  readonly reason: string
}

export interface ScalingPlan {
  /** Splits, or merges; never both. */
  readonly splits: readonly ScalingChange[]
  readonly merges: readonly ScalingChange[]
  readonly blocked: readonly ScalingBlock[]
  /** How long nothing is changed, whatever the load; 0 = now. */
  readonly restMillis: number
  /** What is to be known the next time. */
  readonly fruitless: ReadonlyMap<number, number>
}

/**
 * Splits or merges at a time: what is put to their new shards is read when all of the old ones are
 * closed, one after the other, and there is no hurry.
 */
const changesMax = 16
/** After so many splits that took nothing off a shard one key is to blame. */
const fruitlessMax = 3
/** A split took nothing off a shard where one side has this part of the load. */
const fruitlessShare = 0.9
/** A key with this part of the load of its shard. */
const hotKeyShare = 0.8

const percent = (share: number) => `${Math.round(100 * share)} %`

/** A shard whose load is above the threshold. */
interface Hot {
  readonly shard: Shard
  readonly load: number
  readonly fruitless: number
}

export function planScaling(
  state: ScalingState,
  settings: ScalingSettings,
  nowMillis: number,
): ScalingPlan {
  const hot = hotShards(state, settings, nowMillis)
  const fruitless = nextFruitless(state, hot, settings, nowMillis)
  const { splits, blocked } = splitsOf(state, hot, settings)
  const restMillis = Math.max(0, state.changedMillis + settings.cooldownMillis - nowMillis)
  if (restMillis > 0) return { splits: [], merges: [], blocked, restMillis, fruitless }
  const merges = splits.length > 0 ? [] : mergesOf(state, settings, nowMillis)
  return { splits, merges, blocked, restMillis, fruitless }
}

/** The hottest first. */
function hotShards(state: ScalingState, settings: ScalingSettings, nowMillis: number): Hot[] {
  const hot: Hot[] = []
  state.open.forEach((shard, place) => {
    const load = sustainedLoad(historyOf(state, shard), settings, nowMillis)
    if (load <= settings.splitPercent / 100) return
    hot.push({ shard, load, fruitless: fruitlessOf(state, place, settings, nowMillis) })
  })
  return hot.sort((a, b) => b.load - a.load)
}

/** What a shard has had all along: the lower one of both halves of the window. 0 if not known. */
function sustainedLoad(history: HeatHistory, settings: ScalingSettings, nowMillis: number): number {
  const half = settings.splitMillis / 2
  const loads = [1, 2].map((it) => {
    const from = nowMillis - it * half
    const rates = meanRates(history, from, from + half)
    return rates === undefined ? 0 : loadOf(rates, settings)
  })
  return Math.min(...loads)
}

/**
 * Of a hot shard. What it was split from had a second child beside it: where that one has next to
 * nothing, the split took nothing off.
 */
function fruitlessOf(
  { open, history, fruitless }: ScalingState,
  place: number,
  settings: ScalingSettings,
  nowMillis: number,
): number {
  const shard = open[place] as Shard
  const known = fruitless.get(shard.index)
  if (known !== undefined) return known
  const [parent] = shard.parents
  if (parent === undefined || shard.parents.length > 1) return 0
  const sibling = [open[place - 1], open[place + 1]].find(
    (it) => it?.parents.length === 1 && it.parents[0] === parent,
  )
  const from = nowMillis - settings.splitMillis
  const [own, other] = [shard, sibling].map((it) => {
    const rates = it && meanRates(history.get(it.number) ?? [], from, nowMillis)
    return rates && loadOf(rates, settings)
  })
  if (own === undefined || other === undefined) return 0
  return own < fruitlessShare * (own + other) ? 0 : (fruitless.get(parent) ?? 0) + 1
}

/** What is known of hot shards, until they were cool for long; and of parents, for children. */
function nextFruitless(
  { open, history, fruitless }: ScalingState,
  hot: readonly Hot[],
  settings: ScalingSettings,
  nowMillis: number,
): Map<number, number> {
  const next = new Map<number, number>()
  const keep = (index: number | undefined) => {
    const known = index === undefined ? undefined : fruitless.get(index)
    if (index !== undefined && known !== undefined) next.set(index, known)
  }
  for (const { index, number, parents } of open) {
    keep(parents[0])
    const own = history.get(number) ?? []
    const from = nowMillis - settings.mergeMillis
    const isCool = peakLoad(own, from, settings) <= settings.splitPercent / 100
    if (!isCool || !isMeasuredSince(own, from)) keep(index)
  }
  for (const { shard, fruitless: count } of hot) next.set(shard.index, count)
  return next
}

function splitsOf(
  { open, centres }: ScalingState,
  hot: readonly Hot[],
  settings: ScalingSettings,
): { readonly splits: ScalingChange[]; readonly blocked: ScalingBlock[] } {
  const splits: ScalingChange[] = []
  const blocked: ScalingBlock[] = []
  for (const it of hot) {
    const { shard } = it
    const centre = centres.get(shard.index)
    const heat = `${percent(it.load)} of what a shard carries`
    const hotKey = hotKeyText(it, centre)
    if (hotKey !== undefined) {
      blocked.push({ shard, blockReason: 'HOT_KEY', reason: `it has ${heat}, and ${hotKey}` })
    } else if (open.length + splits.length >= settings.shardsMax) {
      const reason = `it has ${heat}, and a stream has at most ${settings.shardsMax} open shards`
      blocked.push({ shard, blockReason: 'SHARDS_MAX', reason })
    } else if (splits.length < changesMax) {
      const reason =
        `it has had ${heat} for ${settings.splitMillis / 1000} s, ` +
        `more than ${settings.splitPercent} %`
      const startingHashKeys = [shard.startingHashKey, cutOf(it, centre)]
      splits.push({
        shards: [shard],
        replacement: { parents: [shard.index], startingHashKeys },
        reason,
      })
    }
  }
  return { splits, blocked }
}

/** Why it would be for nothing to split a shard; undefined where it is not known to be. */
function hotKeyText({ shard, fruitless }: Hot, centre: Centre | undefined): string | undefined {
  if (!canSplitAt(shard, middleOf(shard))) return 'its range cannot be split'
  if (fruitless >= fruitlessMax) return `the last ${fruitless} splits took nothing off it`
  const share = centre?.largestShare ?? 0
  // Explicit hash keys are in no record: what looks like one key may be many. One split tells.
  if (fruitless === 0 || share < hotKeyShare) return undefined
  return `one key has ${percent(share)} of that`
}

/** In turns: what was measured may be wrong, as explicit hash keys are in no record. */
function cutOf({ shard, fruitless }: Hot, centre: Centre | undefined): bigint {
  return (fruitless % 2 === 0 ? centre?.hashKey : undefined) ?? middleOf(shard)
}

interface Pair {
  readonly place: number
  readonly load: number
}

/** The coldest pairs first. */
function mergesOf(
  state: ScalingState,
  settings: ScalingSettings,
  nowMillis: number,
): ScalingChange[] {
  const { open } = state
  const from = nowMillis - settings.mergeMillis
  const histories = open.map((it) => historyOf(state, it))
  const peaks = histories.map((it) => peakLoad(it, from, settings))
  // No fewer than carry twice what all have had.
  const needed = 2 * peaks.reduce((sum, it) => sum + Math.min(1, it), 0)
  const least = Math.max(state.shardsMin, settings.shardsMin, Math.ceil(needed), 1)
  const most = Math.min(open.length - least, changesMax)
  if (most <= 0) return []
  const pairs: Pair[] = []
  for (let place = 0; place + 1 < open.length; place += 1) {
    const load = (peaks[place] as number) + (peaks[place + 1] as number)
    const both = histories.slice(place, place + 2)
    const isKnown = both.every((it) => isMeasuredSince(it, from))
    if (isKnown && load < settings.mergePercent / 100) pairs.push({ place, load })
  }
  pairs.sort((a, b) => a.load - b.load)
  const taken = new Set<number>()
  const merges: ScalingChange[] = []
  for (const { place, load } of pairs) {
    if (merges.length >= most) break
    if (taken.has(place) || taken.has(place + 1)) continue
    taken.add(place).add(place + 1)
    merges.push(mergeAt(open, place, load, settings))
  }
  return merges
}

function mergeAt(
  open: readonly Shard[],
  place: number,
  load: number,
  settings: ScalingSettings,
): ScalingChange {
  const shards = open.slice(place, place + 2)
  const startingHashKeys = [(shards[0] as Shard).startingHashKey]
  return {
    shards,
    replacement: { parents: shards.map((it) => it.index), startingHashKeys },
    reason:
      `they have had at most ${percent(load)} of what a shard carries for ` +
      `${settings.mergeMillis / 1000} s, less than ${settings.mergePercent} %`,
  }
}

function historyOf({ history }: ScalingState, { number }: Shard): HeatHistory {
  return history.get(number) ?? []
}
