/** Commands over several shards, over the time of arrival, and over the bytes on disk. */

import { Packr, Unpackr } from 'msgpackr'
import type { NativeLog, Position, ShardId } from '../../src/index.ts'
import { sequenceNumber } from '../../src/index.ts'
import {
  Command,
  firstNumbers,
  type Model,
  placeIn,
  type Real,
  readFrom,
  ShardCommand,
  same,
  textsFrom,
} from './log-command.ts'
import { type ModelRecord, ShardModel } from './log-model.ts'

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' })
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
const routes = 1
const hashKeysPerShard = 2n ** 128n / BigInt(firstNumbers.length)
const everything = { bytesMax: 1024 * 1024, borrow: false }

type PutAnswer = [
  shards: [shard: bigint, first: bigint, count: number, code: string | null, wait: number | null][],
  ordinals: Uint8Array,
  failed: number,
]

/** An explicit hash key, as 16 bytes. */
function hashKeyBytes(hashKey: bigint): Buffer {
  return Buffer.from(hashKey.toString(16).padStart(32, '0'), 'hex')
}

/** One request whose records go to the shards that are named beside them. */
export class PutRecords extends Command {
  readonly #records: readonly (readonly [shard: number, record: ModelRecord])[]
  readonly #durability: 'disk' | 'os'

  constructor(
    records: readonly (readonly [shard: number, record: ModelRecord])[],
    durability: 'disk' | 'os',
  ) {
    super()
    this.#records = records
    this.#durability = durability
  }

  async compare(model: Model, real: Real): Promise<void> {
    this.#route(real)
    const bytes = await real.log.putRecords(routes, this.#body(), { durability: this.#durability })
    const [parts, , failed] = unpackr.unpack(bytes.bytes) as PutAnswer
    const expected = this.#expected(model, real)
    same(
      new Map(parts.map(([id, first, count, code]) => [BigInt(id), told(first, count, code)])),
      expected.outcomes,
    )
    same(failed, expected.failed)
  }

  #route(real: Real): void {
    const list = real.ids.map((shard, i) => ({
      shard,
      endingHashKey:
        i === real.ids.length - 1 ? 2n ** 128n - 1n : hashKeysPerShard * BigInt(i + 1) - 1n,
    }))
    real.log.setRoutes(routes, list)
  }

  #body(): Buffer {
    const records = this.#records.map(([, { key, data }]) => [key, Buffer.from(data)])
    const keys = this.#records.map(([at]) => hashKeyBytes(hashKeysPerShard * BigInt(at)))
    return Buffer.concat([records, keys, 0n, 0].map((value) => packr.pack(value)))
  }

  /** One batch for each shard, of its records in their order. */
  #expected(model: Model, real: Real) {
    const outcomes = new Map<bigint, string>()
    let failed = 0
    for (const [at, shard] of model.shards.entries()) {
      const own = this.#records.filter(([to]) => to === at).map(([, record]) => record)
      if (own.length === 0) continue
      const outcome = shard.append(own)
      if ('code' in outcome) failed += own.length
      outcomes.set(
        real.id(at),
        'code' in outcome ? outcome.code : told(outcome.firstSequenceNumber, outcome.count, null),
      )
    }
    return { outcomes, failed }
  }

  toString(): string {
    return `putRecords(${this.#records.map(([at]) => at)}, ${this.#durability})`
  }
}

function told(first: bigint, count: number, code: string | null): string {
  return code ?? `${count} from ${first}`
}

/** Asks for the time of a record, or for a millisecond before or behind it. */
export class SeekTime extends ShardCommand {
  readonly #part: number
  readonly #step: number

  constructor(shard: number, part: number, step: number) {
    super(shard)
    this.#part = part
    this.#step = step
  }

  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    const start = await log.seek(id, sequenceNumber(shard.oldest))
    const all = await readFrom(log, id, start, everything)
    same(
      all.map((it) => it.text),
      textsFrom(shard, shard.oldest),
    )
    const picked = all[Number(placeIn(shard, this.#part) - shard.oldest)]?.arrivalMillis
    const millis = Math.max(0, (picked ?? Date.now() + 60_000) + this.#step)
    const found = await readFrom(log, id, await log.seekTime(id, millis), everything)
    // Times of arrival never fall, so what is found is a whole tail.
    same(
      found,
      all.filter((it) => it.arrivalMillis >= millis),
    )
  }

  toString(): string {
    return `seekTime(${this.shard}, ${this.#part}, ${this.#step})`
  }
}

/** Another shard takes the place of one that is deleted. */
export class DeleteShard extends Command {
  readonly #shard: number

  constructor(shard: number) {
    super()
    this.#shard = shard
  }

  async compare(model: Model, real: Real): Promise<void> {
    const deleted = real.id(this.#shard)
    const first = firstNumbers[this.#shard] as bigint
    await real.log.deleteShard(deleted)
    const read = real.log.read(deleted, { position: 0n as Position }, 1)
    const code = await read.then(String, (error) => error.code)
    same(code, 'SHARD_NOT_FOUND')
    const [id] = await real.log.createShards([sequenceNumber(first)])
    real.ids[this.#shard] = id as ShardId
    model.shards[this.#shard] = new ShardModel(first)
    same(new Set(await real.log.listShards()), new Set(real.ids))
  }

  toString(): string {
    return `deleteShard(${this.#shard})`
  }
}

/** Of one shard, or of all: what can be read is checked, and nothing of it is damaged. */
export class Scrub extends Command {
  readonly #shard: number | undefined

  constructor(shard: number | undefined) {
    super()
    this.#shard = shard
  }

  async compare(model: Model, real: Real): Promise<void> {
    const at = this.#shard
    const shards = at === undefined ? model.shards : [model.shards[at] as ShardModel]
    const report = await real.log.scrub(at === undefined ? {} : { shard: real.id(at) })
    const readable = shards.reduce((sum, it) => sum + Number(it.next - it.oldest), 0)
    const appended = shards.reduce((sum, it) => sum + it.appended, 0)
    same(report.damaged, [])
    // Of a segment that is trimmed in part all of it.
    const { recordCount } = report
    same([recordCount >= readable, recordCount <= appended], [true, true])
  }

  toString(): string {
    return `scrub(${this.#shard})`
  }
}
