/** The limits of shared reads: of streams that are PROVISIONED, for each shard. */

import { MillraceError } from '../errors.ts'
import type { ShardId } from '../log/log.ts'
import { kinesisReadLimits, ReadQuota, type ReadQuotaLimits } from '../shard/read-quota.ts'
import type { Shard } from '../shard/shard.ts'
import type { Stream } from '../stream/stream.ts'
import { shardIdText } from '../wire/shard-id-text.ts'

/** Quotas from which on those that nobody needs are dropped. */
const quotasKept = 1000
const mib = 1024 * 1024

export class ReadLimits {
  readonly #elapsed: () => number
  readonly #limits: ReadQuotaLimits
  readonly #quotas = new Map<ShardId, ReadQuota>()
  #quotasMax = quotasKept

  /** `elapsed` is a clock that never goes back, in milliseconds. */
  constructor(elapsed: () => number, limits: ReadQuotaLimits = kinesisReadLimits) {
    this.#elapsed = elapsed
    this.#limits = limits
  }

  /** Throws a MillraceError, THROUGHPUT_EXCEEDED, when a shard is read too often or too much. */
  admit(stream: Stream, shard: Shard): void {
    if (stream.mode !== 'PROVISIONED') return
    const wait = this.#quotaOf(shard.number).admit(this.#elapsed())
    if (wait > 0) throw exceeded(stream, shard, this.#limits, Math.ceil(wait))
  }

  /** A read of a shard has answered so many bytes of keys and data. */
  charge(stream: Stream, shard: Shard, bytes: number): void {
    if (stream.mode !== 'PROVISIONED') return
    this.#quotaOf(shard.number).charge(bytes, this.#elapsed())
  }

  #quotaOf(shard: ShardId): ReadQuota {
    let quota = this.#quotas.get(shard)
    if (quota === undefined) {
      if (this.#quotas.size >= this.#quotasMax) this.#dropFresh()
      quota = new ReadQuota(this.#limits)
      this.#quotas.set(shard, quota)
    }
    return quota
  }

  #dropFresh(): void {
    const now = this.#elapsed()
    for (const [shard, quota] of this.#quotas) if (quota.isFresh(now)) this.#quotas.delete(shard)
    // Many that are in use are not looked through for each one more.
    this.#quotasMax = Math.max(quotasKept, 2 * this.#quotas.size)
  }
}

function exceeded(
  { name }: Stream,
  { index }: Shard,
  { readsPerSecond, bytesPerSecond }: ReadQuotaLimits,
  retryAfterMs: number,
): MillraceError {
  return new MillraceError(
    'THROUGHPUT_EXCEEDED',
    `Rate exceeded for shard ${shardIdText(index)} in stream ${name}: as the stream is ` +
      `PROVISIONED, GetRecords reads ${readsPerSecond} times and ` +
      `${bytesPerSecond / mib} MiB a second of a shard, for all readers together. ` +
      `Wait ${retryAfterMs} ms, or subscribe to the shard.`,
    { retryAfterMs },
  )
}
