/**
 * Reads a stream: all of its shards at once, each in order, across everything that heals. It asks
 * for records again and again, often while they come and seldom while they do not.
 */

import { MillraceError } from '../errors.ts'
import type { ShardDescription, ShardFilter } from '../wire/operations.ts'
import { parseShardId } from '../wire/shard-id-text.ts'
import type { Verbs } from '../wire/verbs.ts'
import type { Clock } from './clock.ts'
import { DeliveryQueue } from './delivery-queue.ts'
import { Emitter } from './emitter.ts'
import { onAbort } from './on-abort.ts'
import { ReadProgress } from './read-progress.ts'
import type { ReaderSettings } from './reader-options.ts'
import { RecordBatch } from './record-batch.ts'
import { encodeResumeToken, type ShardPosition } from './resume-token.ts'
import { type Fetched, type Gap, onlyGap, ShardCursor, type ShardStart } from './shard-cursor.ts'
import { childrenOf, childrenToRead, planResume } from './shard-lineage.ts'
import { listShards } from './shard-list.ts'
import { sleep } from './sleep.ts'
import { Slots } from './slots.ts'

/** Requests on their way, and batches that wait to be taken: each of them can have 10 MiB. */
const fetchesMax = 8
/** How soon a shard without new records is asked again, at first. */
const idleMillisFirst = 2
/** So many shards are not asked more often in total when there is nothing to read. */
const idleMillisPerShard = 2

const everything: ShardFilter = { type: 'FROM_TRIM_HORIZON' }

/** `starting`; `catching-up` while there is something to read; `live`; `closed`, for good. */
export type ReaderState = 'starting' | 'catching-up' | 'live' | 'closed'

export interface ReaderEvents {
  gap: Gap
  state: ReaderState
}

export interface ReaderParts {
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly settings: ReaderSettings
  readonly signal: AbortSignal | undefined
}

interface Delivery {
  readonly fetched: Fetched
  /** Undefined for a gap of a shard that is gone. */
  readonly cursor: ShardCursor | undefined
}

export class StreamReader implements AsyncIterableIterator<RecordBatch>, AsyncDisposable {
  readonly #parts: ReaderParts
  readonly #settings: ReaderSettings
  readonly #queue = new DeliveryQueue<Delivery>()
  readonly #progress = new ReadProgress()
  readonly #events = new Emitter<ReaderEvents>()
  readonly #slots = new Slots(fetchesMax)
  readonly #stop = new AbortController()
  readonly #behind = new Set<string>()
  /** Shards whose children are not begun yet. */
  #shardCount = 0
  #ended: Promise<void> = Promise.resolve()
  #state: ReaderState = 'starting'
  #forgetSignal: (() => void) | undefined
  readonly #started: Promise<void>

  /** Made by `read` of a client, and of a broker in this process. */
  constructor(parts: ReaderParts) {
    this.#parts = parts
    this.#settings = parts.settings
    const { signal } = parts
    if (signal?.aborted === true) this.#end(signal.reason)
    this.#forgetSignal = onAbort(signal, () => this.#aborted())
    this.#started = this.#start()
    // Whoever iterates is told of it.
    this.#started.catch((error) => this.#end(error))
  }

  get state(): ReaderState {
    return this.#state
  }

  /** Where the stream has been read, as `resumeToken` of the last batch; after `ready`. */
  get resumeToken(): string {
    return encodeResumeToken(this.#parts.streamName, this.#progress.positions)
  }

  /** Calls `listener` when records are missing, or the state changes; what comes back stops it. */
  on<Name extends keyof ReaderEvents>(
    name: Name,
    listener: (value: ReaderEvents[Name]) => void,
  ): () => void {
    return this.#events.on(name, listener)
  }

  /**
   * Answers when it is settled where the reading begins: what is put after that is read with `from:
   * 'latest'`, too. Rejects as the iteration.
   */
  ready(): Promise<void> {
    return this.#started
  }

  /**
   * The next batch, of any shard. Rejects with what does not heal: STREAM_NOT_FOUND or
   * SHARD_NOT_FOUND (it was deleted), SEQUENCE_NUMBER_IN_FUTURE (the broker lost what was read
   * already), SEQUENCE_NUMBER_TRIMMED (with `onGap: 'throw'`), CLIENT_CLOSED, and the reason of the
   * signal.
   */
  async next(): Promise<IteratorResult<RecordBatch, undefined>> {
    const delivery = await this.#queue.take()
    if (delivery === undefined) return { done: true, value: undefined }
    const { cursor, fetched } = delivery
    const { records, gap } = fetched
    if (cursor !== undefined) {
      const next = records.firstSequenceNumber + BigInt(records.recordCount)
      this.#progress.reach(cursor.shard, next)
    }
    const shardId = cursor?.shard.shardId ?? gap?.shardId ?? ''
    const { streamName } = this.#parts
    const { positions } = this.#progress
    const token = () => encodeResumeToken(streamName, positions)
    return { done: false, value: new RecordBatch({ ...fetched, shardId, token }) }
  }

  /** Ends the iteration, as a `break` does. */
  async return(): Promise<IteratorResult<RecordBatch, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Ends the iteration at once; what was read and not delivered is dropped. */
  async close(): Promise<void> {
    this.#queue.drop()
    this.#end(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #aborted(): void {
    const reason: unknown = this.#parts.signal?.reason
    this.#queue.drop(reason)
    this.#end(reason)
  }

  /** Ends with an error, which follows what was read before; undefined stands for none. */
  #end(error: unknown): void {
    if (this.#state === 'closed') return
    this.#queue.fail(error)
    this.#forgetSignal?.()
    this.#stop.abort(new MillraceError('CLIENT_CLOSED', 'the reader is closed'))
    this.#become('closed')
  }

  #become(state: ReaderState): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.#events.emit('state', state)
  }

  async #start(): Promise<void> {
    const { start } = this.#settings
    const cursors =
      'positions' in start
        ? await this.#resume(start.positions)
        : await this.#begin(start.filter, start.start)
    await Promise.all(cursors.map((it) => this.#inSlot(() => it.pin())))
    for (const it of cursors) this.#progress.reach(it.shard, it.next ?? 0n)
    this.#become('catching-up')
    for (const it of cursors) this.#readInBackground(it)
    if (cursors.length === 0) this.#end(undefined)
  }

  /** Cursors at the same place of all shards that a filter names, or of those that are wanted. */
  async #begin(filter: ShardFilter, start: ShardStart): Promise<ShardCursor[]> {
    const wanted = this.#settings.shards
    if (wanted === undefined) return (await this.#list(filter)).map((it) => this.#cursor(it, start))
    const byIndex = new Map(
      (await this.#list(everything)).map((it) => [parseShardId(it.shardId), it]),
    )
    return wanted.map((name) => {
      const shard = byIndex.get(parseShardId(name))
      if (shard !== undefined) return this.#cursor(shard, start)
      const { streamName } = this.#parts
      throw new MillraceError('SHARD_NOT_FOUND', `stream ${streamName} has no shard ${name}`)
    })
  }

  /** Cursors at the places of a resume token. */
  async #resume(positions: readonly ShardPosition[]): Promise<ShardCursor[]> {
    const shards = await this.#list(everything)
    const { found, lost, fresh } = planResume(positions, shards)
    for (const { shardId, next = 0n } of lost) {
      const gap = { shardId, lostFrom: next, firstAvailable: undefined }
      if (!this.#tellGap(gap)) return []
      void this.#queue.offer({ fetched: onlyGap(gap, next), cursor: undefined })
    }
    const cursors = fresh.map((it) => this.#cursor(it, { type: 'TRIM_HORIZON' }))
    for (const { shard, position } of found) {
      const { next } = position
      if (next === undefined) this.#progress.end(shard)
      else cursors.push(this.#cursor(shard, { type: 'AT_SEQUENCE_NUMBER', next }))
    }
    for (const it of cursors) this.#progress.reach(it.shard, it.next ?? 0n)
    for (const { shard, position } of found) {
      if (position.next === undefined) cursors.push(...this.#childrenOf(shard, shards))
    }
    return cursors
  }

  #cursor(shard: ShardDescription, start: ShardStart): ShardCursor {
    const { verbs, clock, streamName } = this.#parts
    const { batchRecordsMax: recordsMax, verify } = this.#settings
    const { signal } = this.#stop
    this.#shardCount += 1
    this.#behind.add(shard.shardId)
    const parts = { verbs, clock, streamName, recordsMax, verify, signal }
    return new ShardCursor(parts, shard, start)
  }

  #readInBackground(cursor: ShardCursor): void {
    this.#readShard(cursor).catch((error) => this.#end(error))
  }

  async #readShard(cursor: ShardCursor): Promise<void> {
    let idleMillis = idleMillisFirst
    let end: Fetched | undefined
    while (end === undefined) {
      const fetched = await this.#inSlot(() => this.#fetch(cursor))
      if (fetched.isEnd) end = fetched
      else if (fetched.records.recordCount > 0 || fetched.gap !== undefined) {
        idleMillis = idleMillisFirst
      } else {
        await sleep(this.#parts.clock, idleMillis, this.#stop.signal)
        const idleMillisMax = Math.max(
          this.#settings.idleMillisMax,
          this.#shardCount * idleMillisPerShard,
        )
        idleMillis = Math.min(2 * idleMillis, idleMillisMax)
      }
    }
    await this.#endShard(cursor.shard, end.childShardIds)
  }

  /** Reads once, and waits until that is taken. */
  async #fetch(cursor: ShardCursor): Promise<Fetched> {
    const fetched = await this.#fetchOrFollow(cursor)
    const { gap, records, millisBehindLatest } = fetched
    if (gap !== undefined && !this.#tellGap(gap)) return fetched
    if (gap !== undefined || records.recordCount > 0) {
      await this.#queue.offer({ fetched, cursor })
    }
    if (millisBehindLatest > 0) this.#behind.add(cursor.shard.shardId)
    else this.#behind.delete(cursor.shard.shardId)
    this.#become(this.#behind.size > 0 ? 'catching-up' : 'live')
    return fetched
  }

  /** A shard that has expired is a gap up to its end, and reading goes on with its children. */
  async #fetchOrFollow(cursor: ShardCursor): Promise<Fetched> {
    try {
      return await cursor.fetch()
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'SHARD_NOT_FOUND') throw error
      const children = childrenOf(cursor.shard, await this.#list(everything))
      // Without any it was not a shard that was gone, but its stream.
      if (children.length === 0) throw error
      return cursor.expired(children.map((it) => it.shardId))
    }
  }

  /** Whether the reading goes on. */
  #tellGap(gap: Gap): boolean {
    this.#events.emit('gap', gap)
    if (this.#settings.onGap === 'deliver') return true
    const { shardId, lostFrom, firstAvailable } = gap
    const until = firstAvailable === undefined ? 'its end' : `${firstAvailable - 1n}`
    const text = `records ${lostFrom} to ${until} of ${shardId} are gone (onGap: 'throw')`
    this.#end(new MillraceError('SEQUENCE_NUMBER_TRIMMED', text))
    return false
  }

  /**
   * Shards are done with one after the other. A child may have come to its own end, and be
   * forgotten, when the second of its parents hears of it: it would be begun once more.
   */
  #endShard(shard: ShardDescription, childShardIds: readonly string[]): Promise<void> {
    this.#progress.end(shard)
    this.#behind.delete(shard.shardId)
    const ended = this.#ended.then(() => this.#goOnBehind(shard, childShardIds))
    this.#ended = ended.catch(() => undefined)
    return ended
  }

  async #goOnBehind(shard: ShardDescription, childShardIds: readonly string[]): Promise<void> {
    const shards = childShardIds.length === 0 ? [] : await this.#listWith(childShardIds)
    const children = this.#childrenOf(shard, shards)
    for (const it of children) this.#readInBackground(it)
    // Not before its children count: others may end meanwhile, and have none that can be begun.
    this.#shardCount -= 1
    if (this.#shardCount === 0) this.#end(undefined)
  }

  /** Cursors at the beginning of the children of a shard that can be read now. */
  #childrenOf(shard: ShardDescription, shards: readonly ShardDescription[]): ShardCursor[] {
    const cursors = childrenToRead(shard.shardId, shards, this.#progress).map((it) => {
      const next = it.startingSequenceNumber
      this.#progress.reach(it, next)
      return this.#cursor(it, { type: 'AT_SEQUENCE_NUMBER', next })
    })
    this.#progress.prune(shards)
    return cursors
  }

  /** The shards, as soon as these are among them: a list can lag behind a split. */
  async #listWith(shardIds: readonly string[]): Promise<ShardDescription[]> {
    for (;;) {
      const shards = await this.#list(everything)
      const ids = new Set(shards.map((it) => it.shardId))
      if (shardIds.every((it) => ids.has(it))) return shards
      await sleep(this.#parts.clock, this.#settings.idleMillisMax, this.#stop.signal)
    }
  }

  #list(shardFilter: ShardFilter): Promise<ShardDescription[]> {
    return listShards(this.#parts, shardFilter, this.#stop.signal)
  }

  async #inSlot<Answer>(action: () => Promise<Answer>): Promise<Answer> {
    await this.#slots.take()
    try {
      return await action()
    } finally {
      this.#slots.give()
    }
  }
}
