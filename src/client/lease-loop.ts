/** Gets and keeps the leases of a worker: renews them, asks for its share, notices what it lost. */

import { MillraceError } from '../errors.ts'
import { leasesPerRequestMax } from '../limits.ts'
import type { Verbs } from '../wire/verbs.ts'
import { isLeaseLost } from './checkpoint-writer.ts'
import type { Clock } from './clock.ts'
import type { ConsumeSettings } from './consumer-options.ts'
import { healing } from './healing.ts'
import { unlessAborted } from './on-abort.ts'
import type { ShardLease } from './pushed-batches.ts'
import type { StreamStart } from './subscription-target.ts'

/** So often within the time for which it is held a lease is renewed. */
const renewalsPerLease = 3

/** A lease that is the worker's now, with the checkpoint of its shard. */
export interface NewLease extends ShardLease {
  readonly nextSequenceNumber?: bigint | undefined
}

export interface LeaseLoopParts {
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly settings: ConsumeSettings
  readonly signal: AbortSignal
  /** Ends what the worker still has to know behind its end: what it was given last. */
  readonly lastSignal: AbortSignal
  /** Those that are held now. */
  held(): Iterable<ShardLease>
  acquired(lease: NewLease): void
  lost(lease: ShardLease): void
  /** A round is over: the worker has what there is for it. */
  settled(): void
}

export class LeaseLoop {
  readonly #parts: LeaseLoopParts
  /** Whether the broker may have given leases that nobody here knows of. */
  #isUnsure = true
  /** The last request for leases. */
  #asking: Promise<unknown> | undefined
  #isWoken = false
  #wake: () => void = () => undefined

  constructor(parts: LeaseLoopParts) {
    this.#parts = parts
  }

  /**
   * Registers the consumer where it is missing and that is wanted. Answers where shards without a
   * checkpoint begin. Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, LIMIT_EXCEEDED.
   */
  async register(): Promise<StreamStart> {
    const { settings } = this.#parts
    const { consumerCreationTimestamp: timestamp } = await this.#healing(() => this.#describe())
    // What came in between is nobody's yet: the first worker to read the shard has it.
    return settings.start ?? { type: 'AT_TIMESTAMP', timestamp }
  }

  /** Rejects with what does not heal, and with the reason of the signal. */
  async run(): Promise<never> {
    for (;;) {
      this.#isWoken = false
      await this.#renew()
      const askAgainMillis = await this.#acquire()
      this.#parts.settled()
      await this.#rest(askAgainMillis)
    }
  }

  /** There may be new leases to be had, now. */
  wake(): void {
    this.#isWoken = true
    this.#wake()
  }

  /** Whether leases may have been given whose answer nobody waits for any more. */
  get mayHaveMore(): boolean {
    return this.#asking !== undefined && this.#isUnsure
  }

  /** The leases of this worker but for those that it knows of. */
  async unknown(known: Iterable<ShardLease>, signal: AbortSignal): Promise<ShardLease[]> {
    const { verbs, streamName, settings } = this.#parts
    const { consumerName, workerId } = settings
    const keys = new Set(Array.from(known, keyOf))
    // Until it is answered what it gives may be on no list.
    await this.#asking?.catch(() => undefined)
    const leases = await verbs.listLeases(streamName, consumerName, { signal })
    return leases.filter((it) => it.workerId === workerId && !keys.has(keyOf(it)))
  }

  async #describe() {
    const { verbs, streamName, settings, signal } = this.#parts
    const { consumerName, register } = settings
    for (;;) {
      try {
        return await verbs.describeStreamConsumer(streamName, consumerName, { signal })
      } catch (error) {
        if (!register || codeOf(error) !== 'CONSUMER_NOT_FOUND') throw error
      }
      try {
        return await verbs.registerStreamConsumer(streamName, consumerName, {}, { signal })
      } catch (error) {
        // Another worker was quicker.
        if (codeOf(error) !== 'CONSUMER_EXISTS') throw error
      }
    }
  }

  async #renew(): Promise<void> {
    const { verbs, streamName, settings, signal } = this.#parts
    const { consumerName, workerId } = settings
    const all = Array.from(this.#parts.held(), ({ shardId, leaseCounter }) => {
      return { shardId, leaseCounter }
    })
    for (let at = 0; at < all.length; at += leasesPerRequestMax) {
      const request = { workerId, leases: all.slice(at, at + leasesPerRequestMax) }
      const lost = await this.#healing(() =>
        verbs.renewLeases(streamName, consumerName, request, { signal }),
      )
      for (const it of lost) this.#parts.lost(it)
    }
  }

  /**
   * Asks until there is nothing more to be had: a worker that comes late gets them one by one.
   * Answers when there may be more, in ms, if the broker says so.
   */
  async #acquire(): Promise<number | undefined> {
    for (;;) {
      const { acquired, askAgainMillis } = await this.#healing(async () => {
        if (this.#isUnsure) await this.#adopt()
        this.#isUnsure = true
        return await this.#ask()
      })
      for (const it of acquired) this.#take(it)
      this.#isUnsure = false
      if (acquired.length === 0) return askAgainMillis
    }
  }

  /**
   * Throws behind the end, which may come between two leases of one answer: those that are left
   * count as given to nobody, and are given back.
   */
  #take(lease: NewLease): void {
    this.#parts.signal.throwIfAborted()
    this.#parts.acquired(lease)
  }

  async #ask() {
    const { verbs, streamName, settings, signal, lastSignal } = this.#parts
    const { consumerName, workerId, heldMillis, leasesMax } = settings
    const request = { workerId, leaseMillis: heldMillis, leasesMax }
    const options = { signal: lastSignal }
    const asking = verbs.acquireLeases(streamName, consumerName, request, options)
    this.#asking = asking
    return await unlessAborted(asking, signal)
  }

  /**
   * Takes over leases of this worker that it does not know of: of an answer that was lost with its
   * connection, or of an earlier life under the same name. Until they expired nobody would read
   * their shards.
   */
  async #adopt(): Promise<void> {
    const { verbs, streamName, settings, signal } = this.#parts
    const { consumerName } = settings
    const mine = await this.unknown(this.#parts.held(), signal)
    if (mine.length === 0) return
    const checkpoints = await verbs.getCheckpoints(streamName, consumerName, { signal })
    for (const { shardId, leaseCounter } of mine) {
      const checkpoint = checkpoints.find((it) => it.shardId === shardId)
      const isThrough = checkpoint !== undefined && checkpoint.nextSequenceNumber === undefined
      if (isThrough) {
        await this.#giveBack({ shardId, leaseCounter })
      } else {
        const { nextSequenceNumber } = checkpoint ?? {}
        this.#take({ shardId, leaseCounter, nextSequenceNumber })
      }
    }
  }

  async #giveBack({ shardId, leaseCounter }: ShardLease): Promise<void> {
    const { verbs, streamName, settings, signal } = this.#parts
    const { consumerName, workerId } = settings
    const request = { workerId, shardId, leaseCounter }
    try {
      await verbs.releaseLease(streamName, consumerName, request, { signal })
    } catch (error) {
      // Whoever has worked the shard off gives its lease back, too, maybe in this very moment.
      if (!isLeaseLost(error)) throw error
    }
  }

  async #rest(askAgainMillis: number | undefined): Promise<void> {
    const { clock, settings, signal } = this.#parts
    const roundMillis = Math.floor(settings.heldMillis / renewalsPerLease)
    const millis = Math.min(roundMillis, askAgainMillis ?? roundMillis)
    if (this.#isWoken) return
    await new Promise<void>((resolve) => {
      const timer = clock.after(millis, resolve)
      timer.keepAlive(true)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
    signal.throwIfAborted()
  }

  #healing<Answer>(action: () => Promise<Answer>): Promise<Answer> {
    const { clock, signal } = this.#parts
    return healing(clock, signal, action)
  }
}

function keyOf({ shardId, leaseCounter }: ShardLease): string {
  return `${shardId} ${leaseCounter}`
}

function codeOf(error: unknown): string | undefined {
  return error instanceof MillraceError ? error.code : undefined
}
