/** Repeats of idempotent producers between which the shards of a stream have changed. */

import { expect, onTestFinished, test } from 'vitest'
import { AckTimes } from '../../../src/broker/ack-times.ts'
import { Puts } from '../../../src/broker/puts.ts'
import { StreamCounters } from '../../../src/broker/stream-counters.ts'
import { sequenceNumber } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import { decodeBrokerFrame, parseAnswer } from '../../../src/wire/frame.ts'
import { putRecords } from '../../../src/wire/operations.ts'
import { putResults } from '../../../src/wire/put-answer.ts'
import { encodePutRecords } from '../../../src/wire/put-builder.ts'
import { logOptions, temporaryDirectory, textRecord } from './harness.ts'

const top = 2n ** 128n - 1n

function streamOf(shards: readonly Shard[]): Stream {
  return {
    number: 1,
    name: 's',
    status: 'ACTIVE',
    mode: 'ON_DEMAND',
    createdMillis: 0,
    retentionPeriodHours: 24,
    retentionBytes: undefined,
    horizonMillis: 0,
    modeSwitches: [],
    recordBytesMax: 1024,
    shardCount: 1,
    firstSequenceNumber: sequenceNumber(1n),
    endSequenceNumber: sequenceNumber(1n),
    shards: new Map(shards.map((it) => [it.index, it])),
    tags: new Map(),
    shardLevelMetrics: new Set(),
    encryption: undefined,
    encryptionChanges: [],
    shardCountUpdates: [],
  }
}

test('a repeat names the shard that has the records, also one that is closed by now', async () => {
  const log = await openLog({ ...logOptions, dir: temporaryDirectory() })
  onTestFinished(() => log.close())
  const numbers = await log.createShards([1n, 100n, 100n].map(sequenceNumber))
  const ranges = [
    [0n, top],
    [0n, top / 2n],
    [top / 2n + 1n, top],
  ] as const
  const [parent, ...children] = ranges.map(
    ([startingHashKey, endingHashKey], index): Shard => ({
      index,
      number: numbers[index] as Shard['number'],
      startingHashKey,
      endingHashKey,
      startingSequenceNumber: sequenceNumber(index === 0 ? 1n : 100n),
      createdMillis: 0,
      parents: index === 0 ? [] : [0],
    }),
  ) as [Shard, Shard, Shard]
  const onFailed = (error: Error) => expect.unreachable(error.message)
  const elapsed = () => 0
  const acks = new AckTimes(elapsed)
  const puts = new Puts({ log, counters: new StreamCounters(), acks, onFailed, elapsed })
  const put = async (producerSequence: number) => {
    const records = [0n, top].map((explicitHashKey) => ({
      ...textRecord('k', ''),
      explicitHashKey,
    }))
    const producer = { producerId: 7n, producerSequence }
    const frame = encodePutRecords(1, { streamName: 's' }, records, producer)
    const answer = await new Promise<Uint8Array>((resolve) => puts.put(frame, resolve))
    const decoded = decodeBrokerFrame(answer)
    if (decoded.kind !== 'answer') throw new Error(decoded.kind)
    return putResults(parseAnswer(putRecords, decoded.values))
  }
  puts.open(streamOf([parent]))
  const first = await put(1)
  expect(first[1]).toEqual({ shardId: 'shardId-000000000000', sequenceNumber: 2n })
  puts.open(streamOf(children), [[parent]])
  expect(await put(1)).toEqual(first)
  await log.sealShards([parent.number])
  expect(await put(1)).toEqual(first)
  expect(await put(2)).toEqual([
    { shardId: 'shardId-000000000001', sequenceNumber: 100n },
    { shardId: 'shardId-000000000002', sequenceNumber: 100n },
  ])
})
