import { expect, test } from 'vitest'
import { errorTable, MillraceError } from '../../../src/errors.ts'
import { packMessage, unpackMessage } from '../../../src/wire/codec.ts'
import type { Operation } from '../../../src/wire/operations.ts'
import { type Exchange, type ExchangeOptions, Verbs } from '../../../src/wire/verbs.ts'

interface Seen {
  name: string
  request: unknown
  options: ExchangeOptions
}

/** An exchange that remembers what it was asked and answers what it was given. */
function fakeExchange(answer: unknown): { exchange: Exchange; seen: Seen[] } {
  const seen: Seen[] = []
  const exchange: Exchange = {
    async call(operation: Operation, request: unknown, options) {
      seen.push({ name: operation.name, request, options })
      return answer as never
    },
    async put(makeFrame, options) {
      seen.push({ name: 'put', request: unpackMessage(makeFrame(7)), options })
      return answer as Uint8Array
    },
  }
  return { exchange, seen }
}

test('reads and descriptions may be repeated, changes may not', async () => {
  const { exchange, seen } = fakeExchange({ shardIterator: 'i', slice: new Uint8Array() })
  const verbs = new Verbs(exchange)
  await verbs.createStream('s', { shardCount: 2 })
  await verbs.deleteStream('s')
  await verbs.addTagsToStream('s', [{ key: 'k', value: 'v' }])
  await verbs.removeTagsFromStream('s', ['k'])
  await verbs.describeStream('s')
  await verbs.describeStreamSummary('s')
  await verbs.listStreams()
  await verbs.listShards('s')
  await verbs.listTagsForStream('s')
  await verbs.getShardIterator('s', { shardId: '0', shardIteratorType: 'LATEST' })
  await verbs.getRecords('i', { limit: 5 })
  const once = seen.filter((it) => !it.options.repeatable).map((it) => it.name)
  expect(once).toEqual(['CreateStream', 'DeleteStream', 'AddTagsToStream', 'RemoveTagsFromStream'])
  expect(seen).toHaveLength(11)
  expect(seen[0]?.request).toEqual({ streamName: 's', shardCount: 2 })
  expect(seen.at(-1)?.request).toEqual({ shardIterator: 'i', limit: 5 })
})

test('settings are sent as they are, and not repeated by themselves', async () => {
  const { exchange, seen } = fakeExchange({ openShardCount: 3 })
  const verbs = new Verbs(exchange)
  await verbs.increaseStreamRetentionPeriod('s', 48)
  await verbs.decreaseStreamRetentionPeriod('s', 24)
  await verbs.updateStreamRetentionBytes('s', 2 ** 40)
  await verbs.updateStreamRetentionBytes('s')
  await verbs.updateMaxRecordSize('s', 2 ** 21)
  await verbs.updateStreamMode('s', 'PROVISIONED')
  expect(await verbs.describeLimits()).toEqual({ openShardCount: 3 })
  expect(seen.map((it) => [it.name, it.request, it.options.repeatable])).toEqual([
    ['IncreaseStreamRetentionPeriod', { streamName: 's', retentionPeriodHours: 48 }, false],
    ['DecreaseStreamRetentionPeriod', { streamName: 's', retentionPeriodHours: 24 }, false],
    ['UpdateStreamRetentionBytes', { streamName: 's', retentionBytes: 2 ** 40 }, false],
    ['UpdateStreamRetentionBytes', { streamName: 's' }, false],
    ['UpdateMaxRecordSize', { streamName: 's', recordBytesMax: 2 ** 21 }, false],
    ['UpdateStreamMode', { streamName: 's', streamMode: 'PROVISIONED' }, false],
    ['DescribeLimits', {}, true],
  ])
})

test('of consumers: what would be done twice, or be answered once, is not repeated', async () => {
  const { exchange, seen } = fakeExchange({ checkpoints: [], lost: [], leases: [] })
  const verbs = new Verbs(exchange)
  const lease = { shardId: '0', leaseCounter: 1n }
  await verbs.registerStreamConsumer('s', 'c', { tags: [{ key: 'k', value: 'v' }] })
  await verbs.deregisterStreamConsumer('s', 'c')
  await verbs.acquireLeases('s', 'c', { workerId: 'w', leaseMillis: 1000 })
  await verbs.releaseLease('s', 'c', { workerId: 'w', ...lease })
  await verbs.describeStreamConsumer('s', 'c')
  await verbs.listStreamConsumers('s', { maxResults: 3 })
  await verbs.listStreamConsumers('s', { nextToken: 't' })
  await verbs.setCheckpoint('s', 'c', { shardId: '0', nextSequenceNumber: 5n, leaseCounter: 1n })
  expect(await verbs.getCheckpoints('s', 'c')).toEqual([])
  expect(await verbs.renewLeases('s', 'c', { workerId: 'w', leases: [lease] })).toEqual([])
  expect(await verbs.listLeases('s', 'c')).toEqual([])
  expect(seen.filter((it) => !it.options.repeatable)).toHaveLength(4)
  expect(seen.map((it) => [it.name, it.request])).toEqual([
    ['RegisterStreamConsumer', { ...names, tags: [{ key: 'k', value: 'v' }] }],
    ['DeregisterStreamConsumer', names],
    ['AcquireLeases', { ...names, workerId: 'w', leaseMillis: 1000 }],
    ['ReleaseLease', { ...names, workerId: 'w', ...lease }],
    ['DescribeStreamConsumer', names],
    ['ListStreamConsumers', { streamName: 's', maxResults: 3 }],
    ['ListStreamConsumers', { nextToken: 't' }],
    ['SetCheckpoint', { ...names, shardId: '0', nextSequenceNumber: 5n, leaseCounter: 1n }],
    ['GetCheckpoints', names],
    ['RenewLeases', { ...names, workerId: 'w', leases: [lease] }],
    ['ListLeases', names],
  ])
})

const names = { streamName: 's', consumerName: 'c' }

test('shards are changed once, and what moves is the answer', async () => {
  const moves = [{ startingHashKey: 0n, endingHashKey: 5n, shardIds: ['shardId-000000000000'] }]
  const { exchange, seen } = fakeExchange({ moves })
  const verbs = new Verbs(exchange)
  const split = { shardToSplit: '0', newStartingHashKey: 3n, dryRun: true }
  expect(await verbs.splitShard('s', split)).toBe(moves)
  const merge = { shardToMerge: '0', adjacentShardToMerge: '1' }
  expect(await verbs.mergeShards('s', merge)).toBe(moves)
  expect(await verbs.updateShardCount('s', { targetShardCount: 2 })).toEqual({ moves })
  expect(seen.some((it) => it.options.repeatable)).toBe(false)
  expect(seen.map((it) => [it.name, it.request])).toEqual([
    ['SplitShard', { streamName: 's', ...split }],
    ['MergeShards', { streamName: 's', ...merge }],
    ['UpdateShardCount', { streamName: 's', targetShardCount: 2 }],
  ])
})

test('a stream is deleted with its consumers where that is asked for', async () => {
  const { exchange, seen } = fakeExchange({})
  const { signal } = new AbortController()
  await new Verbs(exchange).deleteStream('s', { enforceConsumerDeletion: true, signal })
  expect(seen).toEqual([
    {
      name: 'DeleteStream',
      request: { streamName: 's', enforceConsumerDeletion: true },
      options: { signal, repeatable: false },
    },
  ])
})

test('the name of a stream is not sent beside a token', async () => {
  const { exchange, seen } = fakeExchange({ shards: [] })
  await new Verbs(exchange).listShards('s', { nextToken: 't' })
  expect(seen[0]?.request).toEqual({ nextToken: 't' })
})

test('a put has the form of the protocol, and is repeatable where it is idempotent', async () => {
  const answer = packMessage([0x20, 7, null, 'os', 'shardId-000000000003', 9])
  const { exchange, seen } = fakeExchange(answer)
  const verbs = new Verbs(exchange)
  const data = new Uint8Array([1, 2])
  const record = { key: 'k', data, explicitHashKey: 258n }
  const producer = { id: 2n ** 63n, sequence: 4 }
  expect(await verbs.put('s', record, { durability: 'os', producer })).toEqual({
    durability: 'os',
    shardId: 'shardId-000000000003',
    sequenceNumber: 9n,
  })
  await verbs.put('s', { key: 'k', data })
  const hashKey = new Uint8Array(16)
  hashKey.set([1, 2], 14)
  expect(seen.map((it) => it.request)).toEqual([
    [0x20, 7, 's', 'os', [['k', data]], [hashKey], 2n ** 63n, 4],
    [0x20, 7, 's', null, [['k', data]], null, 0n, 0],
  ])
  expect(seen.map((it) => it.options.repeatable)).toEqual([true, false])
})

test.each([
  { shardCount: 2, ordinals: [1, 0, 1, 1] },
  { shardCount: 300, ordinals: [0, 1, 0, 0, 0, 0, 0, 1] },
])('the answer to putRecords with $shardCount shards, record by record', async (it) => {
  const shards = Array.from({ length: it.shardCount }, (_, index) =>
    index === 0 ? [50n, 0n, 1, 'DISK_FULL'] : [51n, 100n, 3, null],
  )
  const indexes = shards.map((_, index) => (index < 2 ? 8 + index : 20))
  const answer = packMessage([
    0x21,
    7,
    null,
    'disk',
    indexes,
    [shards, new Uint8Array(it.ordinals), 1],
  ])
  const { exchange } = fakeExchange(answer)
  const record = { key: 'k', data: new Uint8Array() }
  const result = await new Verbs(exchange).putRecords('s', [record, record, record, record])
  const stored = { shardId: 'shardId-000000000009' }
  const refused = {
    shardId: 'shardId-000000000008',
    error: new MillraceError('DISK_FULL', errorTable.DISK_FULL.message),
  }
  const expected =
    it.shardCount === 2
      ? [
          { ...stored, sequenceNumber: 100n },
          refused,
          { ...stored, sequenceNumber: 101n },
          { ...stored, sequenceNumber: 102n },
        ]
      : [{ ...stored, sequenceNumber: 100n }, refused, refused, { ...stored, sequenceNumber: 101n }]
  expect(result).toEqual({ durability: 'disk', failedRecordCount: 1, records: expected })
})
