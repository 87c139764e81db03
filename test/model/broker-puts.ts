/** The puts, as commands. */

import { expect } from 'vitest'
import { BatchBuilder } from '../../src/wire/batch-builder.ts'
import { putBatch, putRecord, putRecords } from '../../src/wire/operations.ts'
import { putResults } from '../../src/wire/put-answer.ts'
import { encodePutBatch, encodePutRecord, encodePutRecords } from '../../src/wire/put-builder.ts'
import { parseShardId } from '../../src/wire/shard-id-text.ts'
import { Command, codeOf, StreamCommand } from './broker-command.ts'
import type { BrokerModel, ModelStream } from './broker-model.ts'
import type { RealBroker } from './broker-real.ts'

const encoder = new TextEncoder()

/** What a command puts: a key, as many characters of data, and where that overrides the key. */
export interface Wanted {
  readonly key: string
  readonly length: number
  readonly explicitHashKey: bigint | undefined
}

let counter = 0

function makeRecords(wanted: readonly Wanted[]) {
  return wanted.map(({ key, length, explicitHashKey }) => {
    counter += 1
    const text = String(counter).padEnd(length, '.')
    return { key, text, data: encoder.encode(text), explicitHashKey }
  })
}

function addAll(stream: ModelStream, records: ReturnType<typeof makeRecords>) {
  return records.map(({ key, text, explicitHashKey }) => {
    const shard = stream.shardOf(key, explicitHashKey)
    const sequenceNumber = stream.shards[shard]?.add({ key, text }) ?? 0n
    return { shard, sequenceNumber }
  })
}

export type Durability = 'disk' | 'os'

/** Single puts that are sent at once: each gets its number, and is answered in its turn. */
export class PutSingles extends StreamCommand {
  readonly wanted: readonly (Wanted & { readonly durability: Durability })[]

  constructor(name: string, wanted: readonly (Wanted & { readonly durability: Durability })[]) {
    super(name)
    this.wanted = wanted
  }

  async compareStream(stream: ModelStream, _: BrokerModel, real: RealBroker): Promise<void> {
    const records = makeRecords(this.wanted)
    const expected = addAll(stream, records)
    const answered: number[] = []
    const answers = records.map(async (record, i) => {
      const durability = this.wanted[i]?.durability ?? 'disk'
      const frame = encodePutRecord(i, { streamName: this.name, durability }, record)
      const answer = await real.put(putRecord, frame)
      answered.push(i)
      return answer
    })
    const got = (await Promise.all(answers)).map(({ shardId, sequenceNumber, durability }, i) => {
      // Stronger than asked for is allowed, weaker is not.
      if (this.wanted[i]?.durability === 'disk') expect(durability).toBe('disk')
      return { shard: parseShardId(shardId), sequenceNumber }
    })
    expect(got).toEqual(expected)
    for (const shard of stream.shards.keys()) {
      const order = answered.filter((i) => expected[i]?.shard === shard)
      expect(order).toEqual([...order].sort((a, b) => a - b))
    }
  }
}

export class PutMany extends StreamCommand {
  readonly wanted: readonly Wanted[]
  readonly durability: Durability
  readonly producerId: bigint

  constructor(name: string, wanted: readonly Wanted[], durability: Durability, producer: bigint) {
    super(name)
    this.wanted = wanted
    this.durability = durability
    this.producerId = producer
  }

  async compareStream(stream: ModelStream, model: BrokerModel, real: RealBroker): Promise<void> {
    const records = makeRecords(this.wanted)
    const { name: streamName, durability, producerId } = this
    const producerSequence = model.nextProducerSequence
    model.nextProducerSequence += 1
    const by = { producerId, producerSequence }
    const frame = new Uint8Array(encodePutRecords(1, { streamName, durability }, records, by))
    const results = addAll(stream, records)
    await expectResults(real, frame, results)
    if (producerId !== 0n) model.sent.set(producerId, { stream, frame, results })
  }
}

async function expectResults(
  real: RealBroker,
  frame: Uint8Array,
  results: readonly { shard: number; sequenceNumber: bigint }[],
): Promise<void> {
  const got = putResults(await real.put(putRecords, frame)).map((it) =>
    'sequenceNumber' in it
      ? { shard: parseShardId(it.shardId), sequenceNumber: it.sequenceNumber }
      : it,
  )
  expect(got).toEqual(results)
}

/** The last frame of a producer once more: it gets the first answer, and nothing is put. */
export class Repeat extends Command {
  readonly producerId: bigint

  constructor(producerId: bigint) {
    super()
    this.producerId = producerId
  }

  override check(model: Readonly<BrokerModel>): boolean {
    const sent = model.sent.get(this.producerId)
    return sent !== undefined && [...model.streams.values()].includes(sent.stream)
  }

  async compare(model: BrokerModel, real: RealBroker): Promise<void> {
    const sent = model.sent.get(this.producerId)
    if (sent !== undefined) await expectResults(real, sent.frame, sent.results)
  }
}

export class PutSealed extends StreamCommand {
  readonly shard: number
  readonly wanted: readonly Wanted[]

  constructor(name: string, shard: number, wanted: readonly Wanted[]) {
    super(name)
    this.shard = shard
    this.wanted = wanted
  }

  async compareStream(stream: ModelStream, _: BrokerModel, real: RealBroker): Promise<void> {
    const records = makeRecords(this.wanted)
    const builder = new BatchBuilder()
    for (const { key, data } of records) builder.add(key, data)
    const batch = { shardIndex: this.shard, count: builder.count, records: builder.bytes }
    const frame = encodePutBatch(1, { streamName: this.name }, batch)
    const shard = stream.shards[this.shard]
    if (shard === undefined) {
      expect(await codeOf(real.put(putBatch, frame))).toBe('SHARD_NOT_FOUND')
      return
    }
    const answer = await real.put(putBatch, frame)
    expect(answer).toEqual({
      durability: 'disk',
      firstSequenceNumber: shard.next,
      duplicate: false,
    })
    for (const { key, text } of records) shard.add({ key, text })
  }
}
