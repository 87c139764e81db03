/**
 * The operations of a log as commands of fast-check: each is done to the model and to the real log.
 */

import fc from 'fast-check'
import {
  type AppendOptions,
  type NativeLog,
  type ShardId,
  sequenceNumber,
} from '../../src/index.ts'
import {
  build,
  Command,
  firstNumbers,
  type Model,
  outcomeOf,
  placeIn,
  type Real,
  readFrom,
  ShardCommand,
  same,
  textsFrom,
} from './log-command.ts'
import { type ModelRecord, ShardModel } from './log-model.ts'
import { DeleteShard, PutRecords, Scrub, SeekTime } from './log-more-commands.ts'

class Append extends ShardCommand {
  readonly #records: readonly ModelRecord[]
  readonly #options: AppendOptions

  constructor(shard: number, records: readonly ModelRecord[], durability: 'disk' | 'os') {
    super(shard)
    this.#records = records
    this.#options = { durability }
  }

  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    const expected = shard.append(this.#records)
    same(await outcomeOf(log.append(id, build(this.#records), this.#options)), expected)
  }

  toString(): string {
    return `append(${this.shard}, ${this.#records.length} records, ${this.#options.durability})`
  }
}

/** The next number of the producer plus `step`: 0 is new, -1 repeats the last, +1 skips one. */
class AppendIdempotent extends ShardCommand {
  readonly #records: readonly ModelRecord[]
  readonly #producer: bigint
  readonly #step: number

  constructor(shard: number, records: readonly ModelRecord[], producer: number, step: number) {
    super(shard)
    this.#records = records
    this.#producer = BigInt(producer)
    this.#step = step
  }

  override check(model: Readonly<Model>): boolean {
    const shard = model.shards[this.shard] as ShardModel
    return !shard.sealed && shard.remembers(this.#producer)
  }

  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    const producerSequence = Math.max(0, shard.lastOf(this.#producer) + 1 + this.#step)
    const expected = shard.append(this.#records, this.#producer, producerSequence)
    const append = log.append(id, build(this.#records), {
      producerId: this.#producer,
      producerSequence,
      durability: 'os',
    })
    same(await outcomeOf(append), expected)
  }

  toString(): string {
    return `appendIdempotent(${this.shard}, ${this.#producer}, ${this.#step})`
  }
}

class Read extends ShardCommand {
  readonly #part: number
  readonly #bytesMax: number
  readonly #borrow: boolean

  constructor(shard: number, part: number, bytesMax: number, borrow: boolean) {
    super(shard)
    this.#part = part
    this.#bytesMax = bytesMax
    this.#borrow = borrow
  }

  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    const place = placeIn(shard, this.#part)
    const options = { bytesMax: this.#bytesMax, borrow: this.#borrow }
    const seen = await readFrom(log, id, await log.seek(id, place), options)
    same(
      seen.map((it) => it.text),
      textsFrom(shard, place),
    )
  }

  toString(): string {
    return `read(${this.shard}, ${this.#part}, ${this.#bytesMax}, ${this.#borrow})`
  }
}

class Trim extends ShardCommand {
  readonly #part: number

  constructor(shard: number, part: number) {
    super(shard)
    this.#part = part
  }

  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    const place = placeIn(shard, this.#part)
    const before = shard.oldest
    shard.trim(place)
    await log.trim(id, place)
    if (shard.oldest > before) {
      const seek = log.seek(id, sequenceNumber(shard.oldest - 1n))
      const code = await seek.then(String, (error) => error.code)
      same(code, 'SEQUENCE_NUMBER_TRIMMED')
    }
  }

  toString(): string {
    return `trim(${this.shard}, ${this.#part})`
  }
}

class Seal extends ShardCommand {
  async compareShard(shard: ShardModel, log: NativeLog, id: ShardId): Promise<void> {
    shard.seal()
    await log.sealShards([id])
  }

  toString(): string {
    return `seal(${this.shard})`
  }
}

class CompareStats extends Command {
  async compare(model: Model, real: Real): Promise<void> {
    for (const [i, shard] of model.shards.entries()) {
      const stats = await real.log.shardStats(real.id(i))
      same(
        [stats.firstSequenceNumber, stats.nextSequenceNumber, stats.committedNextSequenceNumber],
        [shard.oldest, shard.next, shard.next],
      )
      same([stats.sealed, stats.failed, stats.damaged], [shard.sealed, false, []])
      const { firstSequenceNumber, committedNextSequenceNumber } = stats
      same(real.log.readableRange(real.id(i)), { firstSequenceNumber, committedNextSequenceNumber })
    }
  }

  toString(): string {
    return 'stats()'
  }
}

class Reopen extends CompareStats {
  override async compare(model: Model, real: Real): Promise<void> {
    await real.reopen()
    for (const shard of model.shards) shard.closed()
    same((await real.log.stats()).openedClean, true)
    await super.compare(model, real)
  }

  override toString(): string {
    return 'reopen()'
  }
}

class Crash extends CompareStats {
  override async compare(model: Model, real: Real): Promise<void> {
    await real.crash()
    for (const [i, shard] of model.shards.entries()) {
      const { firstSequenceNumber } = await real.log.shardStats(real.id(i))
      same([firstSequenceNumber, shard.crashed(firstSequenceNumber)], [firstSequenceNumber, true])
    }
    await super.compare(model, real)
  }

  override toString(): string {
    return 'crash()'
  }
}

const shard = fc.nat({ max: firstNumbers.length - 1 })
const part = fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 0, max: 1, noNaN: true }))
const record = fc.record({
  key: fc
    .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
    .filter((it) => it.length <= 256),
  data: fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.integer({ min: 0, max: 20_000 }).map((bytes) => new Uint8Array(bytes).fill(bytes)),
  ),
})
const records = fc.array(record, { minLength: 1, maxLength: 12 })
const bytesMax = fc.constantFrom(1, 1000, 64 * 1024, 1024 * 1024)

function append(
  ...[at, list, durability]: [number, ModelRecord[], 'disk' | 'os']
): fc.AsyncCommand<Model, Real> {
  return new Append(at, list, durability)
}

const appends = fc
  .tuple(shard, records, fc.constantFrom('disk' as const, 'os' as const))
  .map((it) => append(...it))

/** Weighted by repetition; sealing and crashing are rare, or nothing else would happen. */
export const commands: fc.Arbitrary<fc.AsyncCommand<Model, Real>>[] = [
  appends,
  appends,
  appends,
  fc
    .tuple(
      shard,
      records,
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(0, 0, 0, -1, -1, -3, -8, 1),
    )
    .map((it) => new AppendIdempotent(...it)),
  fc.tuple(shard, part, bytesMax, fc.boolean()).map((it) => new Read(...it)),
  fc.tuple(shard, part, bytesMax, fc.boolean()).map((it) => new Read(...it)),
  fc.tuple(shard, part).map((it) => new Trim(...it)),
  fc
    .tuple(
      fc.array(fc.tuple(shard, record), { minLength: 1, maxLength: 12 }),
      fc.constantFrom('disk' as const, 'os' as const),
    )
    .map((it) => new PutRecords(...it)),
  fc.tuple(shard, part, fc.integer({ min: -1, max: 1 })).map((it) => new SeekTime(...it)),
  fc.option(shard, { nil: undefined }).map((it) => new Scrub(it)),
  fc.constant(new CompareStats()),
  fc.constantFrom(new Reopen(), new Crash(), new Crash(), new CompareStats()),
  fc.constantFrom(
    ...[new Seal(0), new DeleteShard(0), new DeleteShard(1)],
    ...Array.from({ length: 20 }, () => new CompareStats()),
  ),
]

export function makeModel(): Model {
  return { shards: firstNumbers.map((first) => new ShardModel(first)) }
}
