/**
 * Keeps a stream within a number of bytes, where that is set: the oldest records of all of its
 * shards go first. Bytes are those of the batches as they are stored; the disk gives them back by
 * whole segments.
 *
 * The cut falls between two batches, at about the same arrival time in all shards, and leaves a
 * part of the bound free for what comes until the next look. The newest batch of an open shard
 * never goes: the others make up for it, and where that is not enough a stream keeps more than its
 * bound.
 */

import type { Log, SequenceNumber, ShardId, ShardStats } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import { findSince, headersAlone, readable } from './shard-trims.ts'
import type { SmallSteps } from './small-steps.ts'
import type { Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'

/** What is above the bound goes with this part of it, so that the next look is not for nothing. */
const slackPart = 1 / 64
/** A stream is not looked at again for so many times as long as the last look took. */
const restFactor = 100
/** ... and after something has failed for so long. */
const failureRestMillis = 60_000

/** What a shard has that can be read. */
interface Held {
  readonly shard: ShardId
  readonly trimmedStart: bigint
  /** The newest batch of an open shard, which stays. */
  readonly newest: { readonly start: bigint; readonly first: SequenceNumber } | undefined
  readonly bytes: number
  readonly lastArrivalMillis: number
}

/** Arrival times one after the other, of which the first keeps too much and the second does not. */
export interface Cut {
  readonly keepsMillis: number
  readonly dropsMillis: number
  /** Bytes that arrived before each of them. */
  readonly keepsBytes: number
  readonly dropsBytes: number
}

/**
 * Where to cut so that `wanted` bytes go, and not many more than `slack` besides, where arrival
 * times allow that. `bytesBefore` says how many arrived before a time, `range` has all of them.
 */
export async function findCut(
  bytesBefore: (millis: number) => Promise<number>,
  range: { readonly firstMillis: number; readonly endMillis: number },
  { wanted, slack }: { readonly wanted: number; readonly slack: number },
): Promise<Cut> {
  let cut: Cut = {
    keepsMillis: range.firstMillis,
    dropsMillis: range.endMillis,
    keepsBytes: 0,
    dropsBytes: await bytesBefore(range.endMillis),
  }
  while (cut.dropsMillis - cut.keepsMillis > 1 && cut.dropsBytes > wanted + slack) {
    const millis = Math.floor((cut.keepsMillis + cut.dropsMillis) / 2)
    const bytes = await bytesBefore(millis)
    cut =
      bytes < wanted
        ? { ...cut, keepsMillis: millis, keepsBytes: bytes }
        : { ...cut, dropsMillis: millis, dropsBytes: bytes }
  }
  return cut
}

/** The part that goes of what arrived in the same millisecond: of every shard the same one. */
function partOf(cut: Cut, atMost: number, wanted: number): number {
  if (cut.dropsBytes <= atMost) return 1
  return (wanted - cut.keepsBytes) / (cut.dropsBytes - cut.keepsBytes)
}

export class SizeRetention {
  readonly #host: StreamHost
  readonly #steps: SmallSteps
  /** By stream: when it may be looked at again. */
  readonly #restsUntil = new WeakMap<Stream, number>()

  constructor(host: StreamHost, steps: SmallSteps) {
    this.#host = host
    this.#steps = steps
  }

  /** Whether a look at a stream costs next to nothing by now. */
  isDue(stream: Stream): boolean {
    return performance.now() >= (this.#restsUntil.get(stream) ?? 0)
  }

  /** Rejects as the log does. */
  async trim(stream: Stream): Promise<void> {
    if (stream.retentionBytes === undefined) return
    const begunMillis = performance.now()
    this.#restsUntil.set(stream, begunMillis + failureRestMillis)
    await this.#trim(stream, stream.retentionBytes)
    const endMillis = performance.now()
    this.#restsUntil.set(stream, endMillis + restFactor * (endMillis - begunMillis))
  }

  async #trim(stream: Stream, bytesMax: number): Promise<void> {
    const held = await this.#heldBy(stream)
    const total = held.reduce((sum, it) => sum + it.bytes, 0)
    if (total <= bytesMax) return
    const { log } = this.#host
    const slack = bytesMax * slackPart
    const wanted = total - bytesMax + slack
    const bytesBefore = async (millis: number) => {
      let sum = 0
      for (const it of held) sum += await bytesOfShard(log, it, millis)
      await this.#steps.pause()
      return sum
    }
    const cut = await findCut(bytesBefore, await rangeOf(log, held), { wanted, slack })
    for (const it of held) {
      await trimShard(log, it, cut, partOf(cut, wanted + slack, wanted))
      await this.#steps.pause()
    }
  }

  async #heldBy(stream: Stream): Promise<Held[]> {
    const held: Held[] = []
    for (const shard of stream.shards.values()) {
      const { number } = shard
      const stats = await this.#host.log.shardStats(number)
      const { trimmedStart, committedEnd, lastArrivalMillis } = stats
      const bytes = Number(committedEnd - trimmedStart)
      if (bytes > 0) {
        const newest = await newestOf(this.#host.log, shard, stats)
        held.push({ shard: number, trimmedStart, newest, bytes, lastArrivalMillis })
      }
      await this.#steps.pause()
    }
    return held
  }
}

/** Undefined where everything can go: of a closed shard, an empty one, or where it is damaged. */
async function newestOf(log: Log, { number, closing }: Shard, stats: ShardStats) {
  const { firstSequenceNumber, committedNextSequenceNumber } = stats
  const last = (committedNextSequenceNumber - 1n) as SequenceNumber
  if (closing !== undefined || last < firstSequenceNumber) return undefined
  const slice = await readable(log.read(number, { sequenceNumber: last }, 1, headersAlone))
  return slice && { start: slice.position, first: slice.firstSequenceNumber }
}

/**
 * What can go of what arrived before a time. The newest batch counts for nothing here: an old one
 * that is large would else be all that the cut asks for, again and again, and nothing would go.
 */
async function bytesOfShard(log: Log, { shard, trimmedStart, newest }: Held, millis: number) {
  const end = await log.seekTime(shard, millis)
  const isBehind = newest !== undefined && newest.start < end
  return Math.max(0, Number((isBehind ? newest.start : end) - trimmedStart))
}

async function rangeOf(log: Log, held: readonly Held[]) {
  let firstMillis = Number.POSITIVE_INFINITY
  let endMillis = 0
  for (const { shard, lastArrivalMillis } of held) {
    const first = await findSince(log, shard, 0)
    firstMillis = Math.min(firstMillis, first?.arrivalMillis ?? lastArrivalMillis)
    endMillis = Math.max(endMillis, lastArrivalMillis + 1)
  }
  return { firstMillis, endMillis }
}

async function trimShard(log: Log, { shard, newest }: Held, cut: Cut, part: number): Promise<void> {
  const keeps = await findSince(log, shard, cut.keepsMillis)
  const drops = await findSince(log, shard, cut.dropsMillis)
  if (keeps === undefined || drops === undefined) return
  const dropped = Math.ceil(part * Number(drops.next - keeps.next))
  const next = (keeps.next + BigInt(dropped)) as SequenceNumber
  const end = dropped === 0 ? next : await batchEnd(log, shard, next)
  // What was put just now is there to be read, however large it is.
  await log.trim(shard, newest !== undefined && newest.first < end ? newest.first : end)
}

/** Where the batch ends of which the record before `next` is a part. */
async function batchEnd(log: Log, shard: ShardId, next: SequenceNumber): Promise<SequenceNumber> {
  const from = { sequenceNumber: (next - 1n) as SequenceNumber }
  const slice = await readable(log.read(shard, from, 1, headersAlone))
  return slice === undefined || slice.bytes.length === 0 ? next : slice.nextSequenceNumber
}
