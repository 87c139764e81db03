// Whether the fencing tokens of leases have kept out who lost a shard. Pure.

export function byShard(facts) {
  const shards = new Map()
  for (const it of facts) shards.set(it.shard, [...(shards.get(it.shard) ?? []), it])
  return shards
}

// A counter is one worker's; no checkpoint is accepted that was sent when a later lease of the shard
// had been given already; none goes back. What was sent before and accepted later may have come
// first.
export function judgeFences({ granted, checkpointed }, looks, say) {
  const owners = new Map()
  const seen = new Map()
  const see = (shard, counter, worker, time) => {
    const lease = `lease ${counter} of shard ${shard}`
    const owner = owners.get(counter) ?? worker
    owners.set(counter, owner)
    if (owner !== worker) say(`${lease} is ${owner}'s and ${worker}'s`)
    const times = seen.get(shard) ?? new Map()
    seen.set(shard, times)
    times.set(counter, Math.min(times.get(counter) ?? Number.POSITIVE_INFINITY, time))
  }
  for (const { shard, counter, worker, time } of granted) see(shard, counter, worker, time)
  for (const { answered, leases } of looks) {
    for (const { shard, counter, worker } of leases) see(shard, counter, worker, answered)
  }
  for (const it of checkpointed) judgeCheckpoint(it, owners, seen.get(it.shard) ?? new Map(), say)
  for (const its of byShard(checkpointed).values()) judgeOrder(its, say)
}

function judgeCheckpoint({ worker, shard, counter, sent }, owners, given, say) {
  const what = `${worker}'s checkpoint of shard ${shard} under lease ${counter} was accepted`
  const owner = owners.get(counter) ?? worker
  if (owner !== worker) say(`${what}, which is ${owner}'s`)
  const later = [...given].find(([other, time]) => other > counter && time < sent)
  if (later !== undefined) say(`${what} behind lease ${later[0]}`)
}

// The end of a shard is the highest place.
const isBehind = (left, right) => right === null || (left !== null && left < right)

function judgeOrder(checkpoints, say) {
  const bySent = checkpoints.toSorted((left, right) => left.sent - right.sent)
  const byAnswer = checkpoints.toSorted((left, right) => left.time - right.time)
  let highest
  let at = 0
  for (const { worker, shard, next, sent } of bySent) {
    for (; at < byAnswer.length && byAnswer[at].time < sent; at += 1) {
      if (highest === undefined || isBehind(highest, byAnswer[at].next)) highest = byAnswer[at].next
    }
    if (highest === undefined || next === highest || !isBehind(next, highest)) continue
    say(`${worker} set the checkpoint of shard ${shard} back: ${next} behind ${highest}`)
  }
}
