/** Which shards of a stream a subscription to it begins with, and which it goes on with. Pure. */

import { addAncestors, areParentsDone } from '../../shard/lineage.ts'
import type { Shard } from '../../shard/shard.ts'
import { filterShards, unexpiredShards } from '../../stream/shard-filter.ts'
import type { Stream } from '../../stream/stream.ts'
import type { ResumePosition, StreamStartType } from '../../wire/structures.ts'

type Shards = ReadonlyMap<number, Shard>

export class StreamLineage {
  readonly #done: Set<number>
  readonly #begun = new Set<number>()

  /** `done`: the indexes of shards that are not to be sent. */
  constructor(done: Set<number>) {
    this.#done = done
  }

  /** Whether a shard is sent or will be. */
  covers(index: number): boolean {
    return !this.#done.has(index)
  }

  /** A shard has been sent to its end. */
  finish(index: number): void {
    this.#done.add(index)
    this.#begun.delete(index)
  }

  /** Shards that can be begun now; they count as begun. */
  take(shards: Shards): Shard[] {
    const isDone = (index: number) => this.#done.has(index)
    const ready = [...shards.values()].filter(
      (it) => !isDone(it.index) && !this.#begun.has(it.index) && areParentsDone(it, shards, isDone),
    )
    for (const { index } of ready) this.#begun.add(index)
    return ready
  }
}

/** A subscription that begins: children of what it begins with follow. */
export function lineageFrom(
  stream: Stream,
  type: StreamStartType,
  timestamp: number | undefined,
  horizonMillis: number,
): StreamLineage {
  const wanted = new Set(shardsOf(stream, type, timestamp, horizonMillis))
  const left = [...stream.shards.values()].filter((it) => !wanted.has(it))
  return new StreamLineage(new Set(left.map((it) => it.index)))
}

function shardsOf(
  stream: Stream,
  type: StreamStartType,
  timestamp: number | undefined,
  horizonMillis: number,
): Shard[] {
  switch (type) {
    case 'LATEST':
      return filterShards(stream, { type: 'AT_LATEST' }, horizonMillis)
    case 'TRIM_HORIZON':
      return unexpiredShards(stream, horizonMillis)
    case 'AT_TIMESTAMP':
      return filterShards(stream, { type: 'FROM_TIMESTAMP', timestamp }, horizonMillis)
  }
}

interface GonePosition {
  readonly shardNumber: bigint
  readonly nextSequenceNumber: bigint
}

export interface ResumePlan {
  readonly lineage: StreamLineage
  /** By the indexes of shards that are there: the record that is wanted next. */
  readonly next: ReadonlyMap<number, bigint>
  /** Positions in shards that are not there any more. */
  readonly gone: readonly GonePosition[]
}

/** A subscription that goes on: what comes before a position has been sent. */
export function planResume(
  stream: Stream,
  positions: readonly ResumePosition[],
  horizonMillis: number,
): ResumePlan {
  const byNumber = new Map<bigint, Shard>()
  for (const shard of stream.shards.values()) byNumber.set(shard.number, shard)
  const current = new Set(unexpiredShards(stream, horizonMillis))
  const done = new Set<number>()
  for (const shard of stream.shards.values()) if (!current.has(shard)) done.add(shard.index)
  const next = new Map<number, bigint>()
  const gone: GonePosition[] = []
  for (const { shardNumber, nextSequenceNumber } of positions) {
    const shard = byNumber.get(shardNumber)
    if (shard !== undefined) addAncestors(shard, stream.shards, done)
    if (nextSequenceNumber === undefined) {
      if (shard !== undefined) done.add(shard.index)
    } else if (shard === undefined) {
      gone.push({ shardNumber, nextSequenceNumber })
    } else {
      next.set(shard.index, nextSequenceNumber)
    }
  }
  // Also shards with a position that are older than what is kept: their rest is still there.
  for (const index of next.keys()) done.delete(index)
  return { lineage: new StreamLineage(done), next, gone }
}
