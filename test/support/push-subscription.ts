import { MillraceError } from '../../src/errors.ts'
import type { RequestOf } from '../../src/wire/operations.ts'
import {
  encodePush,
  gap,
  heartbeat,
  shardEnded,
  shardStarted,
  subscriptionEnded,
} from '../../src/wire/pushes.ts'
import { parseShardId } from '../../src/wire/shard-id-text.ts'
import type { SubscribedShard } from '../../src/wire/structures.ts'
import type { subscribeToShard, subscribeToStream } from '../../src/wire/subscription-operations.ts'
import type { PushedShard, PushStream } from './push-stream.ts'

interface Cursor {
  readonly shard: PushedShard
  next: bigint
  owesCaughtUp: boolean
}

/** A subscription as PROTOCOL.md describes it, over a stream that is an array. */
export class PushSubscription {
  readonly id: number
  readonly #stream: PushStream
  readonly #creditBytes: number
  readonly #isTaken: (shard: PushedShard) => boolean
  readonly #push: (frame: Uint8Array) => void
  readonly #cursors = new Map<number, Cursor>()
  readonly #done = new Set<number>()
  #ofShard: number | undefined
  out = 0
  outPeak = 0
  hasEnded = false

  constructor(
    id: number,
    stream: PushStream,
    creditBytes: number,
    isTaken: (shard: PushedShard) => boolean,
    push: (frame: Uint8Array) => void,
  ) {
    this.id = id
    this.#stream = stream
    this.#creditBytes = creditBytes
    this.#isTaken = isTaken
    this.#push = push
  }

  covers(shard: PushedShard): boolean {
    return this.#ofShard === undefined || this.#ofShard === shard.index
  }

  giveBack(bytes: number): void {
    if (bytes > this.out) throw new Error(`${bytes} come back, ${this.out} were on their way`)
    this.out -= bytes
  }

  beginShard(request: RequestOf<typeof subscribeToShard>): SubscribedShard {
    const shard = this.#stream.shards[parseShardId(request.shardId) ?? -1]
    if (shard === undefined) throw new MillraceError('SHARD_NOT_FOUND')
    this.#checkFree(shard)
    this.#ofShard = shard.index
    const { startingPositionType: type, startingSequenceNumber: given } = request
    if (given !== undefined && given > shard.next) {
      throw new MillraceError('SEQUENCE_NUMBER_IN_FUTURE')
    }
    const start = type === 'LATEST' ? shard.next : (given ?? shard.horizon)
    return { ...this.#begin(shard, start), firstSequenceNumber: start }
  }

  beginStream(request: RequestOf<typeof subscribeToStream>): SubscribedShard[] {
    const { shards } = this.#stream
    for (const it of shards) this.#checkFree(it)
    const { resume } = request
    if (resume.length > 0) return this.#resume(resume)
    const isLatest = request.startingPositionType === 'LATEST'
    if (isLatest) for (const it of shards) if (it.isClosed) this.#done.add(it.index)
    const first = shards.filter((it) => (isLatest ? !it.isClosed : it.parents.length === 0))
    return first.map((it) => this.#begin(it, isLatest ? it.next : it.horizon))
  }

  #resume(resume: RequestOf<typeof subscribeToStream>['resume']): SubscribedShard[] {
    const { shards } = this.#stream
    const begun: SubscribedShard[] = []
    const known = new Set<number>()
    for (const { shardNumber, nextSequenceNumber: next } of resume) {
      const shard = shards.find((it) => it.number === shardNumber)
      if (shard === undefined) {
        if (next === undefined) continue
        const fields = { shardNumber, reason: 'SHARD_GONE', startSequenceNumber: next } as const
        queueMicrotask(() => this.#push(encodePush(gap, { subscriptionId: this.id, ...fields })))
        continue
      }
      known.add(shard.index)
      this.#finishAncestors(shard)
      if (next === undefined) this.#done.add(shard.index)
      else begun.push(this.#begin(shard, next))
    }
    return [...begun, ...this.#beginReady()]
  }

  #finishAncestors(shard: PushedShard): void {
    for (const parent of shard.parents) {
      this.#done.add(parent)
      this.#finishAncestors(this.#stream.shards[parent] as PushedShard)
    }
  }

  #beginReady(): SubscribedShard[] {
    const ready = this.#stream.shards.filter((it) => {
      const isKnown = this.#done.has(it.index) || this.#cursors.has(it.index)
      return !isKnown && it.parents.every((parent) => this.#done.has(parent))
    })
    return ready.map((it) => this.#begin(it, it.horizon))
  }

  #begin(shard: PushedShard, next: bigint): SubscribedShard {
    this.#cursors.set(shard.index, { shard, next, owesCaughtUp: true })
    const firstSequenceNumber = next < shard.horizon ? shard.horizon : next
    return { shardId: shard.shardId, shardNumber: shard.number, firstSequenceNumber }
  }

  #checkFree(shard: PushedShard): void {
    if (this.#isTaken(shard)) throw new MillraceError('INVALID_ARGUMENT', 'a second one')
  }

  /** Sends what credit allows. */
  send(): void {
    for (;;) {
      let isMoving = false
      for (const it of [...this.#cursors.values()]) isMoving = this.#sendOne(it) || isMoving
      if (!isMoving || this.hasEnded) return
    }
  }

  tellProgress(cursors: readonly Cursor[] = [...this.#cursors.values()]): void {
    const shards = cursors.map(({ shard, next }) => ({
      shardNumber: shard.number,
      nextSequenceNumber: next,
      millisBehindLatest: next < shard.next ? 1000 : 0,
    }))
    for (const it of cursors) if (it.next < it.shard.next) it.owesCaughtUp = true
    this.#push(encodePush(heartbeat, { subscriptionId: this.id, shards }))
  }

  #sendOne(cursor: Cursor): boolean {
    const { shard, next } = cursor
    if (next < shard.horizon) return this.#skip(cursor, 'TRIMMED', shard.horizon)
    const at = shard.batches.findIndex((it) => it.first <= next && next < it.next)
    const batch = shard.batches[at]
    if (batch === undefined) return this.#reachEnd(cursor)
    if (batch.isEmpty) {
      cursor.next = batch.next
      return true
    }
    if (batch.isDamaged) return this.#skip(cursor, 'CORRUPT', batch.next)
    const following = shard.batches[at + 1]
    const pair = following?.isDamaged === false && !following.isEmpty ? [batch, following] : [batch]
    return this.#sendSlice(cursor, pair) || this.#sendSlice(cursor, [batch])
  }

  #sendSlice(cursor: Cursor, batches: PushedShard['batches']): boolean {
    const bytes = Buffer.concat(batches.map((it) => it.bytes))
    if (this.out > 0 && this.out + bytes.length > this.#creditBytes) return false
    if (batches.length > 1 && bytes.length > this.#creditBytes) return false
    this.out += bytes.length
    this.outPeak = Math.max(this.outPeak, this.out)
    cursor.next = batches.at(-1)?.next ?? cursor.next
    this.#push(bytes)
    return true
  }

  #skip(cursor: Cursor, reason: 'TRIMMED' | 'CORRUPT', to: bigint): boolean {
    const fields = {
      subscriptionId: this.id,
      shardNumber: cursor.shard.number,
      reason,
      startSequenceNumber: cursor.next,
      endSequenceNumber: to,
    }
    this.#push(encodePush(gap, fields))
    cursor.next = to
    return true
  }

  #reachEnd(cursor: Cursor): boolean {
    const { shard } = cursor
    if (cursor.owesCaughtUp) {
      cursor.owesCaughtUp = false
      this.tellProgress([cursor])
    }
    if (!shard.isClosed) return false
    this.#cursors.delete(shard.index)
    this.#done.add(shard.index)
    const { shards } = this.#stream
    const children = shards.filter((it) => it.parents.includes(shard.index))
    this.#push(
      encodePush(shardEnded, {
        subscriptionId: this.id,
        shardNumber: shard.number,
        childShards: children.map((it) => it.describeAsChild()),
      }),
    )
    const begun = this.#ofShard === undefined ? this.#beginReady() : []
    for (const it of begun) {
      this.#push(encodePush(shardStarted, { subscriptionId: this.id, shard: it }))
    }
    if (this.#cursors.size === 0) {
      this.hasEnded = true
      this.#push(encodePush(subscriptionEnded, { subscriptionId: this.id }))
    }
    return true
  }
}
