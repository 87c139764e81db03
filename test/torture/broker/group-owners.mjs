// How long shards that can be worked on had no owner. Pure.
//
// A lease counts from the last sign of its worker's life: the moment at which it was granted or last
// renewed, which its time to live tells. What lies between that and the grant of the next lease may
// be as much as the user has set, which is more than the leases that workers ask the broker for.
//
// Each time is taken so that the answer is too long rather than too short: looks lie apart, and what
// happens between two of them counts from the first to the second. A machine on which timers are late,
// or syncs take long, of a process that has nothing to do with the broker (machine-lag.mjs), is as
// late with everything else, and is allowed that much more: for each of the steps of which a
// take-over consists, and up to a bound. What the broker itself is slow with excuses nothing.

import { lateness } from './machine-lag.mjs'

// The renewal of what the worker has, the write that is under way in the catalog, and its own.
const STEPS = 3

// Looks: [{ sent, answered, leases, available }], in their order; granted: [{ counter, millis }], for
// how long leases are held; delays: { timer: [{ from, until }], sync: [the same] }. Answers the
// longest time without an owner, and the most that was allowed for a late machine, in ms.
export function judgeOwners(looks, granted, delays, bounds, say) {
  const { idleMillisMax, lateMillisMax } = bounds
  const heldMillis = heldBy(granted)
  const shards = new Map()
  const longest = { idleMillis: 0, lateMillis: 0 }
  let before = looks[0]
  for (const look of looks) {
    const held = new Map(look.leases.map((it) => [it.shard, it]))
    for (const shard of look.available) {
      const known = shards.get(shard) ?? { counter: null, since: before.sent, isTold: false }
      shards.set(shard, known)
      const lease = held.get(shard)
      const isOwned = lease !== undefined && lease.millisLeft > 0
      const isNew = isOwned && lease.counter !== known.counter
      if (isNew || !isOwned) {
        const until = isNew ? look.answered + sinceOf(lease) : look.answered
        judge(shard, known, until)
      }
      if (!isOwned) continue
      known.counter = lease.counter
      known.since = look.sent + sinceOf(lease)
      known.isTold = false
    }
    for (const shard of shards.keys()) if (!look.available.has(shard)) shards.delete(shard)
    before = look
  }
  return longest

  // What a lease was last renewed at, from the look at it: not positive.
  function sinceOf({ counter, millisLeft }) {
    return millisLeft - heldMillis(counter)
  }

  function judge(shard, known, until) {
    const millis = Math.round(until - known.since)
    longest.idleMillis = Math.max(longest.idleMillis, millis)
    if (millis <= idleMillisMax || known.isTold) return
    const lateMillis = Math.min(
      lateMillisMax,
      Math.round(STEPS * lateness(delays, known.since, until)),
    )
    if (millis <= idleMillisMax + lateMillis) {
      longest.lateMillis = Math.max(longest.lateMillis, millis - idleMillisMax)
      return
    }
    known.isTold = true
    say(`shard ${shard} had no owner for ${millis} ms, behind lease ${known.counter}`)
  }
}

// A worker that was killed may not have written down what it was granted: all ask for the same.
function heldBy(granted) {
  const millis = new Map(granted.map((it) => [it.counter, it.millis]))
  const most = Math.max(...millis.values())
  return (counter) => millis.get(counter) ?? most
}
