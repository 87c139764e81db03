/**
 * Keeps a stream within a number of bytes, where that is set: the oldest records of all of its
 * shards go first. Bytes are those of the batches as they are stored; the disk gives them back by
 * whole segments.
 */

import type { Log, SequenceNumber, ShardId } from '../log/log.ts'
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
    for (const { shard } of held) {
      await trimShard(log, shard, cut, partOf(cut, wanted + slack, wanted))
      await this.#steps.pause()
    }
  }

  async #heldBy(stream: Stream): Promise<Held[]> {
    const held: Held[] = []
    for (const { number } of stream.shards.values()) {
      const { trimmedStart, committedEnd, lastArrivalMillis } =
        await this.#host.log.shardStats(number)
      const bytes = Number(committedEnd - trimmedStart)
      if (bytes > 0) held.push({ shard: number, trimmedStart, bytes, lastArrivalMillis })
      await this.#steps.pause()
    }
    return held
  }
}

async function bytesOfShard(log: Log, { shard, trimmedStart }: Held, millis: number) {
  return Math.max(0, Number((await log.seekTime(shard, millis)) - trimmedStart))
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

async function trimShard(log: Log, shard: ShardId, cut: Cut, part: number): Promise<void> {
  const keeps = await findSince(log, shard, cut.keepsMillis)
  const drops = await findSince(log, shard, cut.dropsMillis)
  if (keeps === undefined || drops === undefined) return
  const dropped = Math.ceil(part * Number(drops.next - keeps.next))
  const next = (keeps.next + BigInt(dropped)) as SequenceNumber
  await log.trim(shard, dropped === 0 ? next : await batchEnd(log, shard, next))
}

/**
 * Where the batch ends of which the record before `next` is a part; where it begins if it is the
 * last one: what was put just now is there to be read, however large it is.
 */
async function batchEnd(log: Log, shard: ShardId, next: SequenceNumber): Promise<SequenceNumber> {
  const from = { sequenceNumber: (next - 1n) as SequenceNumber }
  const slice = await readable(log.read(shard, from, 1, headersAlone))
  if (slice === undefined || slice.bytes.length === 0) return next
  const isLast = slice.nextSequenceNumber >= slice.committedNextSequenceNumber
  return isLast ? slice.firstSequenceNumber : slice.nextSequenceNumber
}
