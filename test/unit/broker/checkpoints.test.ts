/** Checkpoints of consumers: what is taken, what is refused, and what they cost the catalog. */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { Consumers } from '../../../src/broker/consumers/consumers.ts'
import type { CheckpointPlace } from '../../../src/stream/consumer-table.ts'
import {
  acquireLeases,
  deregisterStreamConsumer,
  getCheckpoints,
  registerStreamConsumer,
  setCheckpoint,
} from '../../../src/wire/consumer-operations.ts'
import { deleteStream, splitShard } from '../../../src/wire/operations.ts'
import * as ofStreams from '../stream/harness.ts'
import {
  failure,
  makeBroker,
  makeStream,
  putMany,
  type TestBroker,
  textRecord,
  untilActive,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 60_000 })

const streamName = 's'
const of = { streamName, consumerName: 'c' }

/** A stream with a consumer, and 5 records in each shard. */
async function makeConsumer(shardCount = 1): Promise<TestBroker> {
  const made = await makeBroker()
  await makeStream(made.broker, streamName, shardCount, { streamMode: 'PROVISIONED' })
  await made.broker.call(registerStreamConsumer, of)
  const width = 2n ** 128n / BigInt(shardCount)
  for (let shard = 0n; shard < BigInt(shardCount); shard += 1n) {
    const record = { ...textRecord('k', 'v'), explicitHashKey: shard * width }
    await putMany(made.broker, { streamName }, [record, record, record, record, record])
  }
  return made
}

function set(broker: Broker, shardId: string, next: bigint | undefined, leaseCounter?: bigint) {
  const request = { ...of, shardId, nextSequenceNumber: next, leaseCounter }
  return broker.call(setCheckpoint, request)
}

async function placesOf(broker: Broker): Promise<unknown[]> {
  const { checkpoints } = await broker.call(getCheckpoints, of)
  return checkpoints.map((it) => [it.shardId.at(-1), it.nextSequenceNumber])
}

test('a checkpoint is there after an open; one that is not set is not', async () => {
  const made = await makeConsumer(3)
  await set(made.broker, 'shardId-2', 6n)
  await set(made.broker, '0', 3n)
  const places = [
    ['0', 3n],
    ['2', 6n],
  ]
  expect(await placesOf(made.broker)).toEqual(places)
  await made.reopen()
  expect(await placesOf(made.broker)).toEqual(places)
})

test('it never goes back; the same again is fine', async () => {
  const { broker } = await makeConsumer()
  await set(broker, '0', 4n)
  await set(broker, '0', 4n)
  expect(await failure(set(broker, '0', 3n))).toMatchObject({
    code: 'CHECKPOINT_REGRESSED',
    message: 'The checkpoint of shard shardId-000000000000 is 4; it cannot be set back to 3.',
  })
  expect(await placesOf(broker)).toEqual([['0', 4n]])
})

test('of those that come at once each is judged by those before it', async () => {
  const { broker } = await makeConsumer()
  const numbers = [2n, 5n, 4n, 5n, 6n, 1n]
  const results = await Promise.allSettled(numbers.map((it) => set(broker, '0', it)))
  expect(results.map((it) => it.status === 'fulfilled')).toEqual([
    true,
    true,
    false,
    true,
    true,
    false,
  ])
  expect(await placesOf(broker)).toEqual([['0', 6n]])
})

test('what no reader can have got to is refused', async () => {
  const { broker } = await makeConsumer()
  const refused = [
    [set(broker, '0', 7n), 'SEQUENCE_NUMBER_IN_FUTURE'],
    [set(broker, '0', 0n), 'INVALID_ARGUMENT'],
    [set(broker, '0', undefined), 'INVALID_ARGUMENT'],
    [set(broker, '1', 1n), 'SHARD_NOT_FOUND'],
    [set(broker, 'x', 1n), 'SHARD_NOT_FOUND'],
    [broker.call(setCheckpoint, { ...of, consumerName: 'd', shardId: '0' }), 'CONSUMER_NOT_FOUND'],
    [broker.call(getCheckpoints, { ...of, streamName: 't' }), 'STREAM_NOT_FOUND'],
  ] as const
  for (const [call, code] of refused) expect(await failure(call)).toMatchObject({ code })
  expect(await placesOf(broker)).toEqual([])
  // The record that comes next is no future: a reader that has read everything is there.
  await set(broker, '0', 6n)
})

test('the end of a closed shard is nil, and final', async () => {
  const made = await makeConsumer()
  const { broker } = made
  await broker.call(splitShard, { streamName, shardToSplit: '0' })
  await untilActive(broker, streamName)
  // Behind its last record: read, and not yet known to be the end.
  await set(broker, '0', 6n)
  await set(broker, '0', undefined)
  await set(broker, '0', undefined)
  expect(await failure(set(broker, '0', 6n))).toMatchObject({
    code: 'CHECKPOINT_REGRESSED',
    message:
      'The checkpoint of shard shardId-000000000000 is at its end; it cannot be set back to 6.',
  })
  expect(await placesOf(broker)).toEqual([['0', undefined]])
  await made.reopen()
  expect(await placesOf(made.broker)).toEqual([['0', undefined]])
})

test('while a shard is leased it takes the counter of the lease', async () => {
  const { broker } = await makeConsumer()
  const worker = { ...of, leaseMillis: 10_000 }
  const [lease] = (await broker.call(acquireLeases, { ...worker, workerId: 'a' })).acquired
  const counter = lease?.leaseCounter ?? 0n
  await set(broker, '0', 2n, counter)
  for (const given of [undefined, counter + 1n, 0n]) {
    expect(await failure(set(broker, '0', 3n, given))).toMatchObject({ code: 'LEASE_LOST' })
  }
  expect(await placesOf(broker)).toEqual([['0', 2n]])
})

test('those that wait when their consumer goes are told so', async () => {
  const { broker } = await makeConsumer()
  const results = await Promise.allSettled([
    set(broker, '0', 2n),
    broker.call(deregisterStreamConsumer, of),
    set(broker, '0', 3n),
  ])
  const [, gone, late] = results
  expect(gone?.status).toBe('fulfilled')
  if (late?.status === 'rejected') expect(late.reason).toMatchObject({ code: 'CONSUMER_NOT_FOUND' })
  await broker.call(deleteStream, { streamName })
  expect(await failure(set(broker, '0', 4n))).toMatchObject({ code: 'STREAM_NOT_FOUND' })
})

test('100,000 checkpoints are few appends, and leave a small catalog', async () => {
  const dir = ofStreams.temporaryDirectory()
  const { streams, log, close } = await ofStreams.openStreams(dir)
  await streams.create({ streamName, shardCount: 8 })
  await ofStreams.untilQuiet(streams)
  const consumer = await streams.consumers.register(streams.require(streamName), 'c', [])
  const { checkpoints } = new Consumers(streams, () => 0)
  const [catalog] = await log.listShards()
  if (catalog === undefined) throw new Error('there is no catalog')
  const before = await log.shardStats(catalog)
  const perTurn = 500
  for (let at = 1; at <= 100_000; at += perTurn) {
    const turn = Array.from({ length: perTurn }, (_, i) => {
      const place = BigInt(at + i) as CheckpointPlace
      return checkpoints.set(consumer, { shardIndex: (at + i) % 8, place })
    })
    await Promise.all(turn)
  }
  const after = await log.shardStats(catalog)
  // Those that wait are one record, a snapshot is a handful of them.
  expect(after.nextSequenceNumber - before.nextSequenceNumber).toBeLessThan(1000n)
  expect(after.committedEnd - after.trimmedStart).toBeLessThan(512n * 1024n)
  await close()

  const again = await ofStreams.openStreams(dir)
  const found = again.streams.consumers.find(consumer.streamNumber, 'c')
  const places = [...(found?.checkpoints ?? [])].sort(([a], [b]) => a - b)
  expect(places).toEqual(
    Array.from({ length: 8 }, (_, i) => [i, 99_993n + ((BigInt(i) + 7n) % 8n)]),
  )
  await again.close()
})
