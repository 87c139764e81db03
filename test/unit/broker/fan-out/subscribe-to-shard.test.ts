/** Subscriptions to one shard: where they begin, what they get, how they end. */

import { expect, test, vi } from 'vitest'
import { failure } from '../harness.ts'
import {
  leave,
  makeFanOut,
  makeStream,
  streamName,
  type TestFanOut,
  toShard,
  turns,
  until,
} from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

/** One shard with the records 1 to 6: batches of two, and a time between the batches. */
async function withRecords(): Promise<TestFanOut & { times: number[] }> {
  const made = await makeFanOut()
  const times: number[] = []
  for (const keys of [
    ['a', 'b'],
    ['c', 'd'],
    ['e', 'f'],
  ]) {
    await made.put(0, keys)
    times.push((await made.log.shardStats(made.shard(0).number)).lastArrivalMillis)
    const end = Date.now() + 5
    await until(() => Date.now() > end)
  }
  made.clock.millis = Date.now()
  return Object.assign(made, { times })
}

test('records that are there, and then those that come', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a', 'b'])
  const { sink, subscriptions } = made.open()
  const answer = await toShard(subscriptions, 0)
  const shardNumber = made.shard(0).number
  expect(answer).toEqual({
    subscriptionId: 1,
    shard: { shardId: 'shardId-000000000000', shardNumber, firstSequenceNumber: 1n },
  })
  // Not before the answer.
  expect(sink.told).toEqual([])
  await turns()
  expect(sink.take({ heartbeats: true })).toMatchObject([
    { kind: 'slice', shardNumber, numbers: [1n, 2n], texts: ['a', 'b'] },
    {
      kind: 'Heartbeat',
      subscriptionId: 1,
      shards: [{ shardNumber, nextSequenceNumber: 3n, millisBehindLatest: 0 }],
    },
  ])
  await made.put(0, ['c'])
  await until(() => sink.count === 3)
  // It was told once that it has caught up.
  expect(sink.take({ heartbeats: true })).toMatchObject([{ kind: 'slice', numbers: [3n] }])
})

test('what waits goes out together, at most 64 KiB at a time', async () => {
  const made = await makeFanOut(1, { segmentBytes: 1024 * 1024 })
  for (let i = 0; i < 100; i += 1) await made.put(0, [`k${i}`], 1000)
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await turns()
  const slices = sink.take()
  expect(slices.flatMap((it) => it.numbers)).toEqual(
    Array.from({ length: 100 }, (_, i) => BigInt(i + 1)),
  )
  expect(slices).toHaveLength(2)
  for (const { bytes } of slices) expect(bytes).toBeLessThanOrEqual(64 * 1024)
})

test.each([
  ['TRIM_HORIZON', {}, 1n, 1n],
  ['LATEST', {}, 7n, undefined],
  ['AT_SEQUENCE_NUMBER', { startingSequenceNumber: 4n }, 4n, 3n],
  ['AT_SEQUENCE_NUMBER', { startingSequenceNumber: 7n }, 7n, undefined],
  ['AFTER_SEQUENCE_NUMBER', { startingSequenceNumber: 4n }, 5n, 5n],
  ['AFTER_SEQUENCE_NUMBER', { startingSequenceNumber: 6n }, 7n, undefined],
] as const)('%s begins where an iterator does: %o', async (type, rest, first, sent) => {
  const made = await withRecords()
  const { sink, subscriptions } = made.open()
  const answer = await toShard(subscriptions, 0, { startingPositionType: type, ...rest })
  expect(answer.shard.firstSequenceNumber).toBe(first)
  await turns()
  const [slice] = sink.take()
  const numbers = slice?.numbers ?? []
  // Whole batches: the client skips what it did not ask for.
  expect(numbers[0]).toBe(sent)
  if (sent !== undefined) expect(numbers.at(-1)).toBe(6n)
})

test('AT_TIMESTAMP begins with the first record that arrived then or later', async () => {
  const made = await withRecords()
  const { subscriptions } = made.open()
  const [first = 0, second = 0, third = 0] = made.times
  for (const [timestamp, number] of [
    [0, 1n],
    [first, 1n],
    [first + 1, 3n],
    [second, 3n],
    [third, 5n],
    [third + 1, 7n],
  ] as const) {
    const request = { startingPositionType: 'AT_TIMESTAMP', timestamp } as const
    const { shard, subscriptionId } = await toShard(subscriptions, 0, request)
    expect([timestamp - first, shard.firstSequenceNumber]).toEqual([timestamp - first, number])
    await leave(subscriptions, subscriptionId)
  }
})

test('refuses positions with the errors and texts of an iterator', async () => {
  const made = await withRecords()
  const { subscriptions } = made.open()
  const said = async (request: Parameters<typeof toShard>[2], index = 0) => {
    const { code, message } = await failure(toShard(subscriptions, index, request))
    return `${code}: ${message}`
  }
  const at = (type: 'AT' | 'AFTER', startingSequenceNumber?: bigint) =>
    said({ startingPositionType: `${type}_SEQUENCE_NUMBER`, startingSequenceNumber })
  const invalid = (number: bigint) =>
    `StartingSequenceNumber ${number} used in SubscribeToShard on ` +
    'shard shardId-000000000000 in stream s is invalid'
  expect(await at('AT', 8n)).toBe(
    `SEQUENCE_NUMBER_IN_FUTURE: ${invalid(8n)}: the last record of the shard has the number 6.`,
  )
  expect(await at('AFTER', 7n)).toMatch(/^SEQUENCE_NUMBER_IN_FUTURE: /)
  expect(await at('AT', 2n ** 64n - 1n)).toMatch(/^SEQUENCE_NUMBER_IN_FUTURE: /)
  expect(await at('AT', 0n)).toBe(
    `INVALID_ARGUMENT: ${invalid(0n)} because it did not come from this stream.`,
  )
  expect(await at('AT')).toMatch(
    /^INVALID_ARGUMENT: .*AT_SEQUENCE_NUMBER and no StartingSequenceNumber\.$/,
  )
  expect(await said({ startingSequenceNumber: 1n })).toMatch(/^INVALID_ARGUMENT: Must either/)
  expect(await said({ timestamp: 1 })).toMatch(/^INVALID_ARGUMENT: .* takes no timestamp\.$/)
  expect(await said({ startingPositionType: 'AT_TIMESTAMP' })).toMatch(
    /^INVALID_ARGUMENT: Must specify timestampInMillis/,
  )
  const timestamp = made.clock.millis + 1
  expect(await said({ startingPositionType: 'AT_TIMESTAMP', timestamp })).toMatch(
    /^INVALID_ARGUMENT: The timestampInMillis parameter cannot be greater/,
  )
  expect(await said({}, 5)).toBe(
    'SHARD_NOT_FOUND: Shard shardId-000000000005 in stream s does not exist',
  )
  expect(await said({ shardId: 'x' })).toBe('SHARD_NOT_FOUND: Could not find shard x in stream s.')
  expect(await said({ streamName: 't' })).toBe(
    'STREAM_NOT_FOUND: Shard shardId-000000000000 in stream t does not exist',
  )
  expect(await said({ leaseCounter: 1n })).toBe(
    'INVALID_ARGUMENT: leaseCounter: give the consumerName, too',
  )
  // None of them has left anything behind.
  expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 0, waiting: 0 })
})

test('a number of an earlier stream of the same name did not come from this one', async () => {
  const made = await withRecords()
  await made.streams.delete(streamName)
  await until(() => Array.from(made.streams.all).length === 0)
  await makeStream(made, streamName, 1)
  const { subscriptions } = made.open()
  const request = {
    startingPositionType: 'AT_SEQUENCE_NUMBER',
    startingSequenceNumber: 3n,
  } as const
  expect(await failure(toShard(subscriptions, 0, request))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('because it did not come from this stream'),
  })
})

test('a position below the horizon is a gap, told before anything is sent', async () => {
  const made = await makeFanOut()
  for (let i = 1; i <= 5; i += 1) await made.put(0, [`k${i}`])
  const shardNumber = made.shard(0).number
  await made.log.trim(shardNumber, 4n as never)
  const { sink, subscriptions } = made.open()
  const request = {
    startingPositionType: 'AT_SEQUENCE_NUMBER',
    startingSequenceNumber: 2n,
  } as const
  const { shard } = await toShard(subscriptions, 0, request)
  expect(shard.firstSequenceNumber).toBe(2n)
  await turns()
  expect(sink.take()).toMatchObject([
    {
      kind: 'Gap',
      shardNumber,
      reason: 'TRIMMED',
      startSequenceNumber: 2n,
      endSequenceNumber: 4n,
    },
    { kind: 'slice', numbers: [4n, 5n] },
  ])
})

test('what is trimmed before it was sent is a gap, also when nothing is left', async () => {
  const made = await makeFanOut()
  const { sink, subscriptions } = made.open()
  sink.isReading = false
  for (let i = 1; i <= 3; i += 1) await made.put(0, [`k${i}`])
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 100 })
  await turns()
  expect(sink.take()).toMatchObject([{ kind: 'slice', numbers: [1n] }])
  await made.log.trim(made.shard(0).number, 3n as never)
  sink.isReading = true
  sink.waiting = 0
  subscriptions.drained()
  subscriptions.credit(subscriptionId, 83)
  await turns()
  const gap = { kind: 'Gap', reason: 'TRIMMED', startSequenceNumber: 2n, endSequenceNumber: 3n }
  expect(sink.take()).toMatchObject([gap, { kind: 'slice', numbers: [3n] }])

  for (let i = 4; i <= 6; i += 1) await made.put(0, [`k${i}`])
  await turns()
  await made.log.trim(made.shard(0).number, 7n as never)
  subscriptions.credit(subscriptionId, 83)
  await until(() => sink.told.some((it) => it.kind === 'Gap'))
  expect(sink.take()).toMatchObject([{ ...gap, startSequenceNumber: 4n, endSequenceNumber: 7n }])
  await made.put(0, ['k7'])
  await until(() => sink.told.length > 0)
  expect(sink.take()).toMatchObject([{ kind: 'slice', numbers: [7n] }])
})

test('what is committed behind what was trimmed is no part of the gap', async () => {
  const watched = new WatchLog()
  const made = await makeFanOut(1, { wrap: (log) => watched.wrap(log) })
  const { sink, subscriptions } = made.open()
  for (let i = 1; i <= 3; i += 1) await made.put(0, [`k${i}`])
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 100 })
  await turns()
  expect(sink.take()).toMatchObject([{ kind: 'slice', numbers: [1n] }])
  await made.log.trim(made.shard(0).number, 4n as never)
  watched.isDeaf = true
  await made.put(0, ['k4'])
  subscriptions.credit(subscriptionId, 83)
  await until(() => sink.told.length > 1)
  const gap = { kind: 'Gap', reason: 'TRIMMED', startSequenceNumber: 2n, endSequenceNumber: 4n }
  expect(sink.take()).toMatchObject([gap, { kind: 'slice', numbers: [4n] }])
})

test('the end of a closed shard, with its children, is the end of the subscription', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await turns()
  sink.take()
  const { number: shardNumber, endingHashKey } = made.shard(0)
  await made.put(0, ['b'])
  await made.split(0)
  await until(() => sink.told.some((it) => it.kind === 'SubscriptionEnded'))
  const middle = 2n ** 127n
  const parentShards = ['shardId-000000000000']
  expect(sink.take()).toEqual([
    { kind: 'slice', shardNumber, bytes: 82, numbers: [2n], texts: ['b'] },
    {
      kind: 'ShardEnded',
      subscriptionId: 1,
      shardNumber,
      childShards: [
        {
          shardId: 'shardId-000000000001',
          parentShards,
          startingHashKey: 0n,
          endingHashKey: middle - 1n,
        },
        {
          shardId: 'shardId-000000000002',
          parentShards,
          startingHashKey: middle,
          endingHashKey,
        },
      ],
    },
    { kind: 'SubscriptionEnded', subscriptionId: 1 },
  ])
  expect(await failure(leave(subscriptions, 1))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  // One that begins there, at its very end, too.
  await toShard(subscriptions, 0, { startingPositionType: 'LATEST' })
  await turns()
  expect(sink.take().map((it) => it.kind)).toEqual(['ShardEnded', 'SubscriptionEnded'])
})

test('a shard that the log has closed has ended when the catalog has its children', async () => {
  const made = await makeFanOut()
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await made.put(0, ['a'])
  await until(() => sink.told.length > 0)
  sink.take()
  await made.log.sealShards([made.shard(0).number])
  await turns(20)
  expect(sink.take()).toEqual([])
  await made.split(0)
  await until(() => sink.told.length === 2)
  expect(sink.take()).toMatchObject([
    { kind: 'ShardEnded', childShards: [{}, {}] },
    { kind: 'SubscriptionEnded' },
  ])
})

test('nothing comes after the answer to Unsubscribe', async () => {
  const made = await makeFanOut()
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0)
  await turns()
  sink.take()
  await made.put(0, ['a'])
  expect(await leave(subscriptions, subscriptionId)).toEqual({})
  await turns()
  expect(sink.take({ heartbeats: true })).toEqual([])
  expect(await failure(leave(subscriptions, subscriptionId))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'subscriptionId is 1, this connection has no such subscription (any more)',
  })
  expect(await failure(leave(subscriptions, 77))).toMatchObject({ code: 'INVALID_ARGUMENT' })
})

test('one that is ended before it began sends nothing', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0)
  await leave(subscriptions, subscriptionId)
  await turns()
  expect(sink.take({ heartbeats: true })).toEqual([])
})

test.each(['slice', 'Heartbeat', 'Gap', 'ShardEnded', 'SubscriptionEnded'])(
  'whoever takes its frames may end it: with the first %s',
  async (kind) => {
    const made = await makeFanOut()
    for (let i = 0; i < 5; i += 1) await made.put(0, ['k'])
    await made.log.trim(made.shard(0).number, 3n as never)
    const { sink, subscriptions } = made.open()
    const other = made.open()
    const start = {
      startingPositionType: 'AT_SEQUENCE_NUMBER',
      startingSequenceNumber: 2n,
      creditBytes: 100,
    } as const
    await toShard(subscriptions, 0, start)
    await toShard(other.subscriptions, 0)
    let countThen = 0
    sink.onPush = () => {
      const { bytes = 0 } = sink.told.at(-1) ?? {}
      if (bytes > 0) subscriptions.credit(1, bytes)
      if (sink.told.at(-1)?.kind !== kind || countThen > 0) return
      countThen = sink.count
      subscriptions.close()
    }
    await turns(20)
    await made.split(0)
    await until(() => other.sink.told.some((it) => it.kind === 'SubscriptionEnded'))
    await until(() => countThen > 0)
    await turns(20)
    expect(sink.count).toBe(countThen)
    expect(other.sink.takeTexts()).toHaveLength(3)
    expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 0, waiting: 0, behindBytes: 0 })
  },
)
