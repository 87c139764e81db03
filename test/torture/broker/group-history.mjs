// What the workers of a group have done, and what the broker has told somebody who only looks, and
// whether it can be the work of a group that keeps its word. All times are of one clock, in
// milliseconds. Pure.
import { byShard, judgeFences } from './group-fences.mjs'
import { judgeOwners } from './group-owners.mjs'

const MESSAGES_MAX = 20

export class GroupHistory {
  // By key the places of its records, in the order of their numbers, from 1 on.
  #places = new Map()
  #handled = []
  #facts = { granted: [], wants: [], checkpointed: [] }
  #looks = []
  #delays = { timer: [], sync: [] }
  #done = new Set()
  // Records that were handled at least once, and those that were acknowledged.
  acknowledgedCount = 0

  get handledCount() {
    return this.#done.size
  }

  // Record `number` of a key is at this place.
  acknowledged(key, number, { shard, sequence }) {
    const places = this.#places.get(key) ?? []
    this.#places.set(key, places)
    places[number - 1] = { shard, sequence }
    this.acknowledgedCount += 1
  }

  // A timer of the machine was late ('timer'), or a sync took ('sync'), so long.
  delayed(kind, { from, until }) {
    this.#delays[kind].push({ from, until })
  }

  // A line of a worker.
  told(worker, { kind, ...fields }) {
    if (kind === 'handled') {
      this.#handled.push({ worker, ...fields })
      this.#done.add(`${fields.key} ${fields.number}`)
    } else this.#facts[kind].push({ worker, ...fields })
  }

  // What the broker said between two moments: the leases, [{ shard, worker, counter, millisLeft }],
  // and of the shards that are there which can be worked on.
  looked({ sent, answered, leases, available }) {
    this.#looks.push({ sent, answered, leases, available: new Set(available) })
  }

  // `family` says of each shard which its parents are, and its first number; `bounds` those of
  // group-owners.mjs: { idleMillisMax, lateMillisMax }. Answers what is wrong, in words,
  // and some figures.
  judge(family, bounds) {
    const wrong = []
    const say = (text) => wrong.length < MESSAGES_MAX && wrong.push(text)
    const handled = this.#handled.toSorted((left, right) => left.time - right.time)
    const first = judgeRecords(this.#places, handled, say)
    judgeRuns(handled, this.#facts, family, say)
    judgeDescent(this.#places, first, handled, family, say)
    judgeFences(this.#facts, this.#looks, say)
    const idle = judgeOwners(this.#looks, this.#facts.granted, this.#delays, bounds, say)
    return { wrong, records: first.size, repeats: handled.length - first.size, ...idle }
  }
}

const nameOf = (shard, sequence) => `${shard}:${sequence}`

// Everything that was acknowledged is handled, at its place, and the records of a key are first
// handled in the order of their numbers. Answers when each was, by place.
function judgeRecords(places, handled, say) {
  const first = new Map()
  const last = new Map()
  for (const { worker, shard, sequence, key, number, time } of handled) {
    const place = places.get(key)?.[number - 1]
    if (place?.shard !== shard || place.sequence !== sequence) {
      say(`${worker} had ${key} ${number} at ${nameOf(shard, sequence)}, where it never was`)
      continue
    }
    if (first.has(nameOf(shard, sequence))) continue
    first.set(nameOf(shard, sequence), time)
    const before = last.get(key) ?? 0
    if (number !== before + 1) say(`${worker} had ${key} ${number} behind ${before}`)
    last.set(key, Math.max(before, number))
  }
  for (const [key, its] of places) {
    its.forEach(({ shard, sequence }, at) => {
      const isHandled = first.has(nameOf(shard, sequence))
      if (!isHandled) say(`lost: ${key} ${at + 1}, acknowledged at ${nameOf(shard, sequence)}`)
    })
  }
  return first
}

// Under one lease the numbers of a shard have no gap, and begin at a checkpoint: one that was set
// before the lease was asked for, or later.
function judgeRuns(handled, { granted, wants, checkpointed }, family, say) {
  const next = new Map()
  const places = byShard(wants)
  const stored = byShard(checkpointed)
  const asked = new Map(granted.map((it) => [it.counter, it.sent]))
  for (const { worker, shard, counter, sequence } of handled) {
    const run = `${worker}/${counter}/${shard}`
    const expected = next.get(run)
    next.set(run, sequence + 1n)
    if (expected === sequence) continue
    const what = `${worker}, shard ${shard}, lease ${counter}:`
    if (expected !== undefined) {
      say(`${what} ${sequence} follows ${expected - 1n}`)
      continue
    }
    const start = family.get(shard)?.first ?? 1n
    const isPlace = sequence === start || places.get(shard)?.some((it) => it.next === sequence)
    if (isPlace !== true) say(`${what} it begins at ${sequence}, which is no checkpoint`)
    const sent = asked.get(counter) ?? Number.NEGATIVE_INFINITY
    const known = stored.get(shard)?.filter((it) => it.time < sent && it.next !== null) ?? []
    let least = 0n
    for (const { next: place } of known) if (place > least) least = place
    if (sequence < least) say(`${what} it begins at ${sequence}, the checkpoint was ${least}`)
  }
}

// Of a child nothing is handled before everything of its parents has been.
function judgeDescent(places, first, handled, family, say) {
  const ends = new Map()
  for (const { shard, sequence } of [...places.values()].flat()) {
    const time = first.get(nameOf(shard, sequence)) ?? Number.POSITIVE_INFINITY
    ends.set(shard, Math.max(ends.get(shard) ?? 0, time))
  }
  const begun = new Set()
  for (const { worker, shard, time } of handled) {
    if (begun.has(shard)) continue
    begun.add(shard)
    for (const parent of family.get(shard)?.parents ?? []) {
      if ((ends.get(parent) ?? 0) <= time) continue
      say(`${worker} began shard ${shard} before all of its parent ${parent} was handled`)
    }
  }
}
