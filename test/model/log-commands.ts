/**
 * The operations of a log as commands of fast-check: each is done to the model and to the real log.
 */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect } from 'vitest'
import {
  type AppendOptions,
  BatchBuilder,
  MillraceError,
  type NativeLog,
  openLog,
  type SequenceNumber,
  type ShardId,
  SliceCursor,
  sequenceNumber,
} from '../../src/index.ts'
import { copyLive } from '../support/copy-live.ts'
import { type ModelRecord, type Outcome, ShardModel } from './log-model.ts'

export const firstNumbers = [1n, 2n ** 32n - 3n, 2n ** 53n - 3n]
const options = { segmentBytesMin: 64 * 1024, segmentBytesMax: 64 * 1024, diskLowWaterBytes: 1 }

export interface Model {
  readonly shards: ShardModel[]
}

/** The real log; `reopen` and `crash` put another one in its place. */
export class Real {
  log: NativeLog
  readonly #base: string
  #generation = 0
  readonly ids: readonly ShardId[]
  static commandCount = 0

  static async make(): Promise<Real> {
    const base = mkdtempSync(join(tmpdir(), 'millrace-model-'))
    const log = await openLog({ ...options, dir: join(base, '0') })
    return new Real(base, log, await log.createShards(firstNumbers.map(sequenceNumber)))
  }

  private constructor(base: string, log: NativeLog, ids: readonly ShardId[]) {
    this.#base = base
    this.log = log
    this.ids = ids
  }

  id(shard: number): ShardId {
    return this.ids[shard] as ShardId
  }

  async reopen(): Promise<void> {
    await this.log.close()
    this.log = await openLog({ ...options, dir: join(this.#base, String(this.#generation)) })
  }

  /** Goes on with a copy of the directory as it is on disk now: as after a kill. */
  async crash(): Promise<void> {
    const from = join(this.#base, String(this.#generation))
    this.#generation += 1
    const to = join(this.#base, String(this.#generation))
    copyLive(from, to)
    await this.log.close()
    rmSync(from, { recursive: true })
    this.log = await openLog({ ...options, dir: to })
  }

  async remove(): Promise<void> {
    await this.log.close()
    rmSync(this.#base, { recursive: true, force: true })
  }
}

abstract class Command implements fc.AsyncCommand<Model, Real> {
  check(_model: Readonly<Model>): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    Real.commandCount += 1
    await this.compare(model, real)
  }

  abstract compare(model: Model, real: Real): Promise<void>
  abstract toString(): string
}

/** Asks vitest for its words only when there is a difference: it keeps what it was ever shown. */
function same(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected)
}

async function outcomeOf(promise: ReturnType<NativeLog['append']>): Promise<Outcome> {
  try {
    const { firstSequenceNumber, count, duplicate } = await promise
    return { firstSequenceNumber, count, duplicate }
  } catch (error) {
    if (error instanceof MillraceError) return { code: error.code }
    throw error
  }
}

function build(records: readonly ModelRecord[]): BatchBuilder {
  const builder = new BatchBuilder()
  for (const { key, data } of records) builder.add(key, data)
  return builder
}

class Append extends Command {
  readonly #shard: number
  readonly #records: readonly ModelRecord[]
  readonly #options: AppendOptions

  constructor(shard: number, records: readonly ModelRecord[], durability: 'disk' | 'os') {
    super()
    this.#shard = shard
    this.#records = records
    this.#options = { durability }
  }

  async compare(model: Model, real: Real): Promise<void> {
    const expected = (model.shards[this.#shard] as ShardModel).append(this.#records)
    const append = real.log.append(real.id(this.#shard), build(this.#records), this.#options)
    same(await outcomeOf(append), expected)
  }

  toString(): string {
    return `append(${this.#shard}, ${this.#records.length} records, ${this.#options.durability})`
  }
}

/** The next number of the producer plus `step`: 0 is new, -1 repeats the last, +1 skips one. */
class AppendIdempotent extends Command {
  readonly #shard: number
  readonly #records: readonly ModelRecord[]
  readonly #producer: bigint
  readonly #step: number

  constructor(shard: number, records: readonly ModelRecord[], producer: number, step: number) {
    super()
    this.#shard = shard
    this.#records = records
    this.#producer = BigInt(producer)
    this.#step = step
  }

  override check(model: Readonly<Model>): boolean {
    const shard = model.shards[this.#shard] as ShardModel
    return !shard.sealed && shard.remembers(this.#producer)
  }

  async compare(model: Model, real: Real): Promise<void> {
    const shard = model.shards[this.#shard] as ShardModel
    const producerSequence = Math.max(0, shard.lastOf(this.#producer) + 1 + this.#step)
    const expected = shard.append(this.#records, this.#producer, producerSequence)
    const append = real.log.append(real.id(this.#shard), build(this.#records), {
      producerId: this.#producer,
      producerSequence,
      durability: 'os',
    })
    same(await outcomeOf(append), expected)
  }

  toString(): string {
    return `appendIdempotent(${this.#shard}, ${this.#producer}, ${this.#step})`
  }
}

/** A record as a short text, which is compared sooner than its bytes are one by one. */
function describeRecord(sequence: bigint, key: string, data: Uint8Array): string {
  return `${sequence} ${key} ${data.length} ${createHash('md5').update(data).digest('hex')}`
}

/** A place of the readable part: 0 its oldest record, 1 one past its last. */
function placeIn(shard: ShardModel, part: number): SequenceNumber {
  const span = Number(shard.next - shard.oldest)
  return sequenceNumber(shard.oldest + BigInt(Math.round(span * part)))
}

class Read extends Command {
  readonly #shard: number
  readonly #part: number
  readonly #bytesMax: number
  readonly #borrow: boolean

  constructor(shard: number, part: number, bytesMax: number, borrow: boolean) {
    super()
    this.#shard = shard
    this.#part = part
    this.#bytesMax = bytesMax
    this.#borrow = borrow
  }

  async compare(model: Model, real: Real): Promise<void> {
    const shard = model.shards[this.#shard] as ShardModel
    const expected = shard
      .readFrom(placeIn(shard, this.#part))
      .map(([sequence, it]) => describeRecord(sequence, it.key, it.data))
    const id = real.id(this.#shard)
    const seen: string[] = []
    let from = await real.log.seek(id, placeIn(shard, this.#part))
    for (;;) {
      const slice = await real.log.read(id, { position: from }, this.#bytesMax, {
        borrow: this.#borrow,
      })
      if (slice.bytes.length === 0) break
      for (const record of new SliceCursor(slice.bytes)) {
        seen.push(describeRecord(record.sequenceNumber, record.partitionKey ?? '', record.data))
      }
      from = slice.nextPosition
    }
    same(seen, expected)
  }

  toString(): string {
    return `read(${this.#shard}, ${this.#part}, ${this.#bytesMax}, ${this.#borrow})`
  }
}

class Trim extends Command {
  readonly #shard: number
  readonly #part: number

  constructor(shard: number, part: number) {
    super()
    this.#shard = shard
    this.#part = part
  }

  async compare(model: Model, real: Real): Promise<void> {
    const shard = model.shards[this.#shard] as ShardModel
    const place = placeIn(shard, this.#part)
    const before = shard.oldest
    shard.trim(place)
    await real.log.trim(real.id(this.#shard), place)
    if (shard.oldest > before) {
      const seek = real.log.seek(real.id(this.#shard), sequenceNumber(shard.oldest - 1n))
      const code = await seek.then(String, (error) => error.code)
      same(code, 'SEQUENCE_NUMBER_TRIMMED')
    }
  }

  toString(): string {
    return `trim(${this.#shard}, ${this.#part})`
  }
}

class Seal extends Command {
  readonly #shard: number

  constructor(shard: number) {
    super()
    this.#shard = shard
  }

  async compare(model: Model, real: Real): Promise<void> {
    ;(model.shards[this.#shard] as ShardModel).seal()
    await real.log.sealShards([real.id(this.#shard)])
  }

  toString(): string {
    return `seal(${this.#shard})`
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
  fc.constant(new CompareStats()),
  fc.constantFrom(new Reopen(), new Crash(), new Crash(), new CompareStats()),
  fc.constantFrom(new Seal(0), ...Array.from({ length: 20 }, () => new CompareStats())),
]

export function makeModel(): Model {
  return { shards: firstNumbers.map((first) => new ShardModel(first)) }
}
