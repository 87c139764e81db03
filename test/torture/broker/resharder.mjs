// Splits and merges the shards of a stream without end, one by one and towards other numbers of
// them, and looks after each change whether the ranges of the open shards tile the hash space.
import { setTimeout as wait } from 'node:timers/promises'
import { TortureFailure } from '../lib/failure.mjs'
import { shardIdOf } from './load.mjs'
import { listShards } from './stream-lanes.mjs'
import {
  ConnectionLost,
  DESCRIBE_SUMMARY,
  MERGE_SHARDS,
  SPLIT_SHARD,
  UPDATE_SHARD_COUNT,
} from './wire-client.mjs'

const HASH_SPACE = 2n ** 128n
const POLL_MILLIS = 5
// Between these nothing is preferred.
const OPEN_SHARDS = { least: 3, most: 12 }
const UPDATE_SHARE = 0.25

// Throws unless each key has exactly one of the shards.
export function checkTiles(shards) {
  const sorted = [...shards].sort((left, right) => (left.start < right.start ? -1 : 1))
  let next = 0n
  for (const { index, start, end } of sorted) {
    if (start !== next) throw new TortureFailure(`shard ${index} begins at ${start}, not ${next}`)
    next = end + 1n
  }
  if (next !== HASH_SPACE) throw new TortureFailure(`the last key has no shard: ${next}`)
  return sorted
}

// Throws unless there are so many shards with ranges of the same size, as the last update wanted.
function checkUniform(sorted, count) {
  if (sorted.length !== count) {
    throw new TortureFailure(`${sorted.length} shards are open, and were to be ${count}`)
  }
  const width = HASH_SPACE / BigInt(count)
  for (const [at, { index, start }] of sorted.entries()) {
    if (start === BigInt(at) * width) continue
    throw new TortureFailure(`shard ${index}, number ${at} of ${count}, begins at ${start}`)
  }
}

export class Resharder {
  #rig
  #random
  #intervalMillis
  #onAccepted
  #settings
  // What was accepted and is not known to be done.
  #accepted = null
  // Somebody wants no more of them.
  isStopped = false
  splits = 0
  merges = 0
  updates = 0

  // `onAccepted` is told of each change that begins. `settings`: { openShards, updateShare }.
  constructor(rig, intervalMillis, onAccepted, settings = {}) {
    this.#rig = rig
    this.#random = rig.random.fork('resharder')
    this.#intervalMillis = intervalMillis
    this.#onAccepted = onAccepted
    this.#settings = { openShards: OPEN_SHARDS, updateShare: UPDATE_SHARE, ...settings }
  }

  get count() {
    return this.splits + this.merges + this.updates
  }

  // Ends when so many changes are done, or it is stopped.
  async run(count, progress) {
    const isDone = () => this.count >= count || this.isStopped || this.#rig.isOver
    while (!isDone()) {
      const client = await this.#rig.connect()
      if (client === null) return
      try {
        while (!isDone()) {
          const before = performance.now()
          await this.#step(client)
          progress(this.count)
          await wait(Math.max(0, this.#intervalMillis - (performance.now() - before)))
        }
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
      } finally {
        client.close()
      }
    }
  }

  async #step(client) {
    await this.#untilActive(client)
    await this.#confirm(client)
    const open = checkTiles(await listShards(client, this.#rig.stream, 'AT_LATEST'))
    const change = this.#choose(open)
    await client.ask(change.opcode, this.#rig.stream, ...change.fields, null)
    this.#accepted = change
    this.#onAccepted()
    await this.#untilActive(client)
    await this.#confirm(client)
  }

  // What was accepted is done, whatever happened since.
  async #confirm(client) {
    if (this.#accepted === null) return
    const { parents, target, opcode } = this.#accepted
    // All shards that there ever were would take longer to list than a broker lives on a busy machine.
    const open = checkTiles(await listShards(client, this.#rig.stream, 'AT_LATEST'))
    if (opcode === UPDATE_SHARD_COUNT) checkUniform(open, target)
    for (const parent of parents) {
      if (!open.some(({ index }) => index === parent)) continue
      throw new TortureFailure(`shard ${parent} is open, and was to be replaced`)
    }
    this.#accepted = null
    if (opcode === SPLIT_SHARD) this.splits += 1
    else if (opcode === MERGE_SHARDS) this.merges += 1
    else this.updates += 1
  }

  #choose(open) {
    const { openShards, updateShare } = this.#settings
    const { least, most } = openShards
    if (this.#random.chance(updateShare)) return this.#chooseCount(open.length)
    const isSplit = open.length <= least || (open.length < most && this.#random.chance(0.5))
    const place = this.#random.below(isSplit ? open.length : open.length - 1)
    const { index } = open[place]
    if (isSplit) {
      return { opcode: SPLIT_SHARD, parents: [index], fields: [shardIdOf(index), null] }
    }
    const parents = [index, open[place + 1].index]
    return { opcode: MERGE_SHARDS, parents, fields: parents.map(shardIdOf) }
  }

  // Another number of shards, as far away as one request may go.
  #chooseCount(current) {
    const { least, most } = this.#settings.openShards
    const lowest = Math.max(least, Math.ceil(current / 2))
    const others = []
    for (let it = lowest; it <= Math.min(most, 2 * current); it += 1) {
      if (it !== current) others.push(it)
    }
    const target = others[this.#random.below(others.length)]
    return { opcode: UPDATE_SHARD_COUNT, parents: [], target, fields: [target] }
  }

  async #untilActive(client) {
    for (;;) {
      const [, status] = await client.ask(DESCRIBE_SUMMARY, this.#rig.stream)
      if (status === 'ACTIVE') return
      await wait(POLL_MILLIS)
    }
  }
}
