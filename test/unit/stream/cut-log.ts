/** A log that dies at a chosen change of it, as a process does: nothing works after that. */

import { MillraceError } from '../../../src/errors.ts'
import type {
  AppendAnswer,
  AppendOptions,
  Batch,
  KeyName,
  Log,
  MasterKey,
  PutRecordsAnswer,
  PutRecordsOptions,
  ReadFrom,
  ReadOptions,
  Route,
  RouteOptions,
  SequenceNumber,
  ShardId,
  Waiter,
} from '../../../src/log/log.ts'

/** Whether the change that the cut falls on was made. Nobody is told, either way. */
export type Cut = { readonly atChange: number; readonly isMade: boolean }

export class CutLog implements Log {
  readonly #log: Log
  readonly #cut: Cut
  /** Changes that were asked for. */
  changes = 0
  #isDead = false

  constructor(log: Log, cut: Cut) {
    this.#log = log
    this.#cut = cut
  }

  get isDead(): boolean {
    return this.#isDead
  }

  async #change<Answer>(make: () => Promise<Answer>): Promise<Answer> {
    this.#check()
    this.changes += 1
    if (this.changes !== this.#cut.atChange) return await make()
    this.#isDead = true
    if (this.#cut.isMade) await make()
    throw new MillraceError('LOG_CLOSED', 'the process was killed')
  }

  #check(): void {
    if (this.#isDead) throw new MillraceError('LOG_CLOSED', 'the process was killed')
  }

  createShards(firstSequenceNumbers: readonly SequenceNumber[]): Promise<ShardId[]> {
    return this.#change(() => this.#log.createShards(firstSequenceNumbers))
  }

  deleteShard(shard: ShardId): Promise<void> {
    return this.#change(() => this.#log.deleteShard(shard))
  }

  deleteShards(shards: readonly ShardId[]): Promise<void> {
    return this.#change(() => this.#log.deleteShards(shards))
  }

  /** One by one, as a kill may fall between any two of them. */
  async sealShards(shards: readonly ShardId[]): Promise<void> {
    for (const it of shards) await this.#change(() => this.#log.sealShards([it]))
  }

  append(shard: ShardId, batch: Batch, options?: AppendOptions): Promise<AppendAnswer> {
    return this.#change(() => this.#log.append(shard, batch, options))
  }

  trim(shard: ShardId, sequenceNumber: SequenceNumber): Promise<void> {
    return this.#change(() => this.#log.trim(shard, sequenceNumber))
  }

  setKeys(keys: readonly MasterKey[]): readonly KeyName[] {
    return this.#log.setKeys(keys)
  }

  setEncryption(shards: readonly ShardId[], key: KeyName | undefined): void {
    this.#log.setEncryption(shards, key)
  }

  async listShards(): Promise<ShardId[]> {
    this.#check()
    return await this.#log.listShards()
  }

  async shardStats(shard: ShardId) {
    this.#check()
    return await this.#log.shardStats(shard)
  }

  readableRange(shard: ShardId) {
    this.#check()
    return this.#log.readableRange(shard)
  }

  async shardTraffic() {
    this.#check()
    return await this.#log.shardTraffic()
  }

  async read(shard: ShardId, from: ReadFrom, bytesMax: number, options?: ReadOptions) {
    this.#check()
    return await this.#log.read(shard, from, bytesMax, options)
  }

  appendThen(
    shard: ShardId,
    batch: Batch,
    options: AppendOptions,
    waiter: Waiter<AppendAnswer>,
  ): void {
    this.#log.appendThen(shard, batch, options, waiter)
  }

  putRecords(routes: number, body: Uint8Array, options?: PutRecordsOptions) {
    return this.#log.putRecords(routes, body, options)
  }

  putRecordsThen(
    routes: number,
    body: Uint8Array,
    options: PutRecordsOptions,
    waiter: Waiter<PutRecordsAnswer>,
  ): void {
    this.#log.putRecordsThen(routes, body, options, waiter)
  }

  setRoutes(routes: number, shards: readonly Route[], options?: RouteOptions): void {
    this.#log.setRoutes(routes, shards, options)
  }

  clearRoutes(routes: number): void {
    this.#log.clearRoutes(routes)
  }

  tail: Log['tail'] = (...call) => this.#log.tail(...call)
  watch: Log['watch'] = (...call) => this.#log.watch(...call)
  seek: Log['seek'] = (...call) => this.#log.seek(...call)
  seekTime: Log['seekTime'] = (...call) => this.#log.seekTime(...call)
  flush: Log['flush'] = () => this.#log.flush()
  scrub: Log['scrub'] = (...call) => this.#log.scrub(...call)
  stats: Log['stats'] = () => this.#log.stats()

  async close(): Promise<void> {
    this.#isDead = true
    await this.#log.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
