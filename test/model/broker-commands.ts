/**
 * The operations of a broker as commands of fast-check: each is done to the model and, in frames,
 * to the real broker.
 */

import fc from 'fast-check'
import { expect } from 'vitest'
import { createStream, deleteStream } from '../../src/wire/operations.ts'
import { Command, codeOf } from './broker-command.ts'
import { type BrokerModel, ModelStream } from './broker-model.ts'
import { type Durability, PutMany, PutSealed, PutSingles, Repeat } from './broker-puts.ts'
import { Get, GetIterator, type IteratorType } from './broker-reads.ts'
import type { RealBroker } from './broker-real.ts'

const streamNames = ['s', 't']

class Create extends Command {
  readonly name: string
  readonly shardCount: number

  constructor(name: string, shardCount: number) {
    super()
    this.name = name
    this.shardCount = shardCount
  }

  async compare(model: BrokerModel, real: RealBroker): Promise<void> {
    const { name: streamName, shardCount } = this
    const code = await codeOf(real.call(createStream, { streamName, shardCount }))
    expect(code).toBe(model.streams.has(streamName) ? 'STREAM_EXISTS' : 'done')
    if (code !== 'done') return
    const first = model.ends.get(streamName) ?? 1n
    model.streams.set(streamName, new ModelStream(shardCount, first))
    await real.untilSettled(streamName)
  }
}

class Delete extends Command {
  readonly name: string

  constructor(name: string) {
    super()
    this.name = name
  }

  async compare(model: BrokerModel, real: RealBroker): Promise<void> {
    const stream = model.streams.get(this.name)
    const code = await codeOf(real.call(deleteStream, { streamName: this.name }))
    expect(code).toBe(stream === undefined ? 'STREAM_NOT_FOUND' : 'done')
    if (stream === undefined) return
    model.streams.delete(this.name)
    model.ends.set(this.name, stream.end)
    await real.untilSettled(this.name)
  }
}

class Reopen extends Command {
  async compare(_: BrokerModel, real: RealBroker): Promise<void> {
    await real.reopen()
  }
}

class Crash extends Command {
  async compare(_: BrokerModel, real: RealBroker): Promise<void> {
    await real.crash()
  }
}

const name = fc.constantFrom(...streamNames)
const shard = fc.integer({ min: 0, max: 3 })
const durability = fc.constantFrom<Durability>('disk', 'os')
const wanted = fc.record({
  key: fc.oneof(
    fc.integer({ min: 0, max: 20 }).map((it) => `key-${it}`),
    fc.string({ minLength: 1, maxLength: 256, unit: 'binary' }),
  ),
  length: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 0, max: 300 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: 40_000 }) },
  ),
  explicitHashKey: fc.option(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), {
    nil: undefined,
    freq: 4,
  }),
})
const several = fc.array(wanted, { minLength: 1, maxLength: 40 })
const singles = fc.array(
  fc.tuple(wanted, durability).map(([it, asked]) => ({ ...it, durability: asked })),
  { minLength: 1, maxLength: 12 },
)
const producer = fc.bigInt({ min: 0n, max: 3n })
const iteratorType = fc.constantFrom<IteratorType>(
  'TRIM_HORIZON',
  'LATEST',
  'AT_SEQUENCE_NUMBER',
  'AFTER_SEQUENCE_NUMBER',
  'AT_TIMESTAMP',
)
const distance = fc.integer({ min: -2, max: 60 })
const limit = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10_000 }))

export const commands: fc.Arbitrary<Command>[] = [
  fc.tuple(name, fc.integer({ min: 1, max: 3 })).map(([it, count]) => new Create(it, count)),
  fc.tuple(name, singles).map(([it, list]) => new PutSingles(it, list)),
  fc.tuple(name, singles).map(([it, list]) => new PutSingles(it, list)),
  fc
    .tuple(name, several, durability, producer)
    .map(([it, list, asked, id]) => new PutMany(it, list, asked, id)),
  producer.map((id) => new Repeat(id)),
  fc.tuple(name, shard, several).map(([it, at, list]) => new PutSealed(it, at, list)),
  fc
    .tuple(name, shard, iteratorType, distance)
    .map(([it, at, type, far]) => new GetIterator(it, at, type, far)),
  fc
    .tuple(name, shard, iteratorType, distance)
    .map(([it, at, type, far]) => new GetIterator(it, at, type, far)),
  fc
    .tuple(fc.nat(), limit, fc.integer({ min: 1, max: 6 }))
    .map(([at, most, calls]) => new Get(at, most, calls)),
  fc
    .tuple(fc.nat(), limit, fc.integer({ min: 1, max: 6 }))
    .map(([at, most, calls]) => new Get(at, most, calls)),
  name.map((it) => new Delete(it)),
  fc.constant(new Reopen()),
  fc.constant(new Crash()),
]
