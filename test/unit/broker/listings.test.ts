import { expect, test, vi } from 'vitest'
import { tagsMax } from '../../../src/limits.ts'
import {
  addTagsToStream,
  createStream,
  describeStream,
  listShards,
  listStreams,
  listTagsForStream,
  removeTagsFromStream,
} from '../../../src/wire/operations.ts'
import { failure, makeBroker, makeStream } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'

test('streams are listed by name, in pages, by token or from a name', async () => {
  const { broker, clock } = await makeBroker()
  const names = ['zebra', 'ant', 'Ant', 'bee', '10', '9']
  for (const name of names) await broker.call(createStream, { streamName: name, shardCount: 1 })
  const sorted = [...names].sort()
  const listed: string[] = []
  let nextToken: string | undefined
  do {
    const page = await broker.call(listStreams, {
      limit: 4,
      ...(nextToken === undefined ? {} : { nextToken }),
    })
    expect(page.hasMoreStreams).toBe(page.nextToken !== undefined)
    listed.push(...page.streamSummaries.map((it) => it.streamName))
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  expect(listed).toEqual(sorted)
  const from = await broker.call(listStreams, { exclusiveStartStreamName: 'anu' })
  expect(from.streamSummaries.map((it) => it.streamName)).toEqual(['bee', 'zebra'])

  const token = (await broker.call(listStreams, { limit: 1 })).nextToken ?? ''
  const both = { exclusiveStartStreamName: 'a', nextToken: token }
  expect((await failure(broker.call(listStreams, both))).code).toBe('INVALID_ARGUMENT')
  // A token of another listing is none of this one.
  await makeStream(broker, streamName, 2)
  const shards = await broker.call(listShards, { streamName, maxResults: 1 })
  const foreign = broker.call(listStreams, { nextToken: shards.nextToken ?? '' })
  expect((await failure(foreign)).message).toBe('Invalid NextToken.')
  clock.millis += 300_001
  expect((await failure(broker.call(listStreams, { nextToken: token }))).code).toBe(
    'NEXT_TOKEN_EXPIRED',
  )
})

test('DescribeStream has 100 shards a page, ListShards keeps its filter over pages', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 150)
  const first = await broker.call(describeStream, { streamName })
  expect([first.shards.length, first.hasMoreShards]).toEqual([100, true])
  const rest = await broker.call(describeStream, {
    streamName,
    exclusiveStartShardId: first.shards.at(-1)?.shardId ?? '',
  })
  expect([rest.shards.length, rest.hasMoreShards]).toEqual([50, false])
  const none = { streamName, exclusiveStartShardId: 'shardId-000000009999' }
  expect((await broker.call(describeStream, none)).shards).toEqual([])
  const bad = { streamName, exclusiveStartShardId: 'nothing' }
  expect((await failure(broker.call(describeStream, bad))).code).toBe('SHARD_NOT_FOUND')

  const after = { type: 'AFTER_SHARD_ID', shardId: '147' } as const
  const page = await broker.call(listShards, { streamName, shardFilter: after, maxResults: 1 })
  const last = await broker.call(listShards, { nextToken: page.nextToken ?? '' })
  expect([...page.shards, ...last.shards].map((it) => it.shardId)).toEqual([
    'shardId-000000000148',
    'shardId-000000000149',
  ])
  const twice = { streamName, shardFilter: after, exclusiveStartShardId: '1' }
  expect((await failure(broker.call(listShards, twice))).code).toBe('INVALID_ARGUMENT')
})

test('tags: sorted and in pages, the same key again replaces, at most 50', async () => {
  const { broker } = await makeBroker()
  const tags = [{ key: 'b', value: '1' }]
  await broker.call(createStream, { streamName, shardCount: 1, tags })
  await broker.call(addTagsToStream, {
    streamName,
    tags: [
      { key: 'a', value: '2' },
      { key: 'b', value: '3' },
      { key: 'B', value: '' },
    ],
  })
  const all = await broker.call(listTagsForStream, { streamName })
  const sorted = [
    { key: 'B', value: '' },
    { key: 'a', value: '2' },
    { key: 'b', value: '3' },
  ]
  expect(all).toEqual({ tags: sorted, hasMoreTags: false })
  const page = await broker.call(listTagsForStream, { streamName, limit: 2 })
  expect(page).toEqual({ tags: sorted.slice(0, 2), hasMoreTags: true })
  const rest = { streamName, exclusiveStartTagKey: 'aa' }
  expect((await broker.call(listTagsForStream, rest)).tags).toEqual(sorted.slice(2))

  await broker.call(removeTagsFromStream, { streamName, tagKeys: ['a', 'not there'] })
  const many = Array.from({ length: tagsMax - 2 }, (_, i) => ({ key: `k${i}`, value: '' }))
  await broker.call(addTagsToStream, { streamName, tags: many })
  const over = broker.call(addTagsToStream, { streamName, tags: [{ key: 'one more', value: '' }] })
  const error = await failure(over)
  expect([error.code, error.message]).toEqual([
    'LIMIT_EXCEEDED',
    'Failed to add tags to stream s because a given stream cannot have ' +
      'more than 50 tags associated with it.',
  ])
  const missing = { streamName: 'missing', tags: [{ key: ';', value: '' }] }
  // That the stream is there is checked first.
  expect((await failure(broker.call(addTagsToStream, missing))).code).toBe('STREAM_NOT_FOUND')
})
