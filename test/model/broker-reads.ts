/** Iterators and reads, as commands. */

import { expect } from 'vitest'
import { getRecords, getShardIterator, type RequestOf } from '../../src/wire/operations.ts'
import { RecordWindow } from '../../src/wire/record-window.ts'
import { shardIdText } from '../../src/wire/shard-id-text.ts'
import { Command, codeOf, StreamCommand } from './broker-command.ts'
import type { BrokerModel, ModelStream } from './broker-model.ts'
import type { RealBroker } from './broker-real.ts'

const decoder = new TextDecoder()

export type IteratorType = RequestOf<typeof getShardIterator>['shardIteratorType']

export class GetIterator extends StreamCommand {
  readonly shard: number
  readonly type: IteratorType
  /** How far the number lies from the first of the shard. */
  readonly distance: number

  constructor(name: string, shard: number, type: IteratorType, distance: number) {
    super(name)
    this.shard = shard
    this.type = type
    this.distance = distance
  }

  async compareStream(stream: ModelStream, model: BrokerModel, real: RealBroker): Promise<void> {
    const shard = stream.shards[this.shard]
    const first = shard?.first ?? 1n
    const distance = BigInt(this.distance)
    const number = first + distance < 0n ? 0n : first + distance
    const takesNumber = this.type.endsWith('SEQUENCE_NUMBER')
    const request = {
      streamName: this.name,
      shardId: shardIdText(this.shard),
      shardIteratorType: this.type,
      ...(takesNumber ? { startingSequenceNumber: number } : {}),
      ...(this.type === 'AT_TIMESTAMP' ? { timestamp: 0 } : {}),
    }
    const call = real.call(getShardIterator, request)
    if (shard === undefined) {
      expect(await codeOf(call)).toBe('SHARD_NOT_FOUND')
      return
    }
    const isAt = this.type === 'AT_SEQUENCE_NUMBER'
    if (takesNumber && number < first) {
      expect(await codeOf(call)).toBe('INVALID_ARGUMENT')
    } else if (takesNumber && (isAt ? number > shard.next : number >= shard.next)) {
      expect(await codeOf(call)).toBe('SEQUENCE_NUMBER_IN_FUTURE')
    } else {
      const next = takesNumber
        ? number + (isAt ? 0n : 1n)
        : this.type === 'LATEST'
          ? shard.next
          : first
      const { shardIterator: text } = await call
      model.iterators.push({ text, stream, shard: this.shard, next })
    }
  }
}

/** Reads on from an iterator, whatever became of its stream, up to so many times. */
export class Get extends Command {
  readonly iterator: number
  readonly limit: number
  readonly calls: number

  constructor(iterator: number, limit: number, calls: number) {
    super()
    this.iterator = iterator
    this.limit = limit
    this.calls = calls
  }

  override check(model: Readonly<BrokerModel>): boolean {
    return model.iterators.length > 0
  }

  async compare(model: BrokerModel, real: RealBroker): Promise<void> {
    for (let call = 0; call < this.calls; call += 1) {
      const iterator = model.iterators[this.iterator % model.iterators.length]
      if (iterator === undefined) return
      const { stream, shard, text, next } = iterator
      const request = { shardIterator: text, limit: this.limit }
      if (![...model.streams.values()].includes(stream)) {
        expect(await codeOf(real.call(getRecords, request))).toBe('SHARD_NOT_FOUND')
        return
      }
      const answer = await real.call(getRecords, request)
      const got = Array.from(new RecordWindow(answer), (it) => ({
        sequenceNumber: it.sequenceNumber,
        key: it.partitionKey,
        text: decoder.decode(it.data),
      }))
      const known = stream.shards[shard]
      const start = Number(next - (known?.first ?? 0n))
      const rest = known?.records.slice(start) ?? []
      // Fewer than were asked for may come, but some, and the next ones in order.
      expect(got.length).toBeLessThanOrEqual(Math.min(this.limit, rest.length))
      if (rest.length > 0) expect(got.length).toBeGreaterThan(0)
      expect(got).toEqual(
        rest.slice(0, got.length).map((it, i) => ({ ...it, sequenceNumber: next + BigInt(i) })),
      )
      expect(answer.millisBehindLatest === 0).toBe(got.length === rest.length)
      const moved = {
        ...iterator,
        text: answer.nextShardIterator ?? '',
        next: next + BigInt(got.length),
      }
      // The old one can still be used.
      if (call % 2 === 0) model.iterators.push(moved)
      model.iterators[this.iterator % model.iterators.length] = moved
    }
  }
}
