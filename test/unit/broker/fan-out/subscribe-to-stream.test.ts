/** Subscriptions to a stream: all of its shards, parents before their children. */

import { expect, test, vi } from 'vitest'
import { shardsPerSubscriptionMax } from '../../../../src/limits.ts'
import type { RequestOf } from '../../../../src/wire/operations.ts'
import type { subscribeToStream } from '../../../../src/wire/subscription-operations.ts'
import { failure } from '../harness.ts'
import {
  type FakeSink,
  leave,
  makeFanOut,
  makeStream,
  streamName,
  type TestFanOut,
  type Told,
  toStream,
  turns,
  until,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

/**
 * What came, in words: the records of slices, shards by their indexes, with how many records come
 * before the first one that is sent.
 */
function story(made: TestFanOut, told: readonly Told[]): string[] {
  const shards = [...made.streams.require(streamName).shards.values()]
  const indexOf = (number: unknown) => shards.find((it) => it.number === number)?.index
  return told.map((it) => {
    if (it.kind === 'slice') return it.texts?.join('') ?? ''
    const shard = it['shard'] as { shardId: string; firstSequenceNumber: bigint } | undefined
    if (shard !== undefined) {
      const index = Number(shard.shardId.slice(8))
      return `started ${index} behind ${shard.firstSequenceNumber - made.numberOf(index, 0)}`
    }
    if (it.kind === 'ShardEnded') return `ended ${indexOf(it.shardNumber)}`
    return `${it.kind} ${it['reason'] ?? it['code'] ?? ''}`.trim()
  })
}

/** 0 is split into 1 and 2, and these are merged into 3; a record in each of them. */
async function makeFamily(): Promise<TestFanOut> {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  await made.split(0)
  await made.put(1, ['b'])
  await made.put(2, ['c'])
  await made.merge(1, 2)
  await made.put(3, ['d'])
  return made
}

async function settled(sink: FakeSink): Promise<Told[]> {
  for (let before = -1; before !== sink.count; ) {
    before = sink.count
    await turns(20)
  }
  return sink.take()
}

function indexesOf(answer: { readonly shards: readonly { readonly shardId: string }[] }): number[] {
  return answer.shards.map((it) => Number(it.shardId.slice(8)))
}

test('TRIM_HORIZON sends parents to their ends before their children', async () => {
  const made = await makeFamily()
  const { sink, subscriptions } = made.open()
  expect(indexesOf(await toStream(subscriptions))).toEqual([0])
  const told = story(made, await settled(sink))
  expect(told.slice(0, 4)).toEqual(['a', 'ended 0', 'started 1 behind 0', 'started 2 behind 0'])
  expect(told.slice(4, 8).sort()).toEqual(['b', 'c', 'ended 1', 'ended 2'])
  expect(told.slice(8)).toEqual(['started 3 behind 0', 'd'])
})

test('LATEST sends what comes in the shards that are open, and in their children', async () => {
  const made = await makeFamily()
  const { sink, subscriptions } = made.open()
  const answer = await toStream(subscriptions, { startingPositionType: 'LATEST' })
  expect(answer.shards).toMatchObject([
    { shardId: 'shardId-000000000003', firstSequenceNumber: made.numberOf(3, 1) },
  ])
  await settled(sink)
  await made.put(3, ['e'])
  await made.split(3)
  await made.put(4, ['f'])
  await made.put(5, ['g'])
  const told: string[] = []
  await until(() => told.push(...story(made, sink.take())) >= 6)
  expect(told.slice(0, 4)).toEqual(['e', 'ended 3', 'started 4 behind 0', 'started 5 behind 0'])
  expect(told.slice(4).sort()).toEqual(['f', 'g'])
})

test('AT_TIMESTAMP begins with what was open then; children follow as a whole', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  await made.split(0)
  const pause = Date.now() + 10
  await until(() => Date.now() > pause)
  await made.put(1, ['b'])
  const middle = Date.now() + 5
  await until(() => Date.now() > middle)
  await made.put(1, ['c'])
  await made.merge(1, 2)
  await made.put(3, ['d'])
  made.clock.millis = Date.now() + 1000
  const { sink, subscriptions } = made.open()
  const request = { startingPositionType: 'AT_TIMESTAMP', timestamp: middle } as const
  expect(indexesOf(await toStream(subscriptions, request))).toEqual([1, 2])
  const told = story(made, await settled(sink))
  expect(told.filter((it) => !it.startsWith('ended'))).toEqual(['c', 'started 3 behind 0', 'd'])
})

test('keeps the order of two parents, however far apart they are', async () => {
  const made = await makeFanOut(2)
  await made.put(0, ['a'])
  for (let i = 0; i < 200; i += 1) await made.put(1, ['b'], 1000)
  await made.merge(0, 1)
  await made.put(2, ['z'])
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions, { creditBytes: 66_000 })
  await turns(20)
  expect(sink.told.some((it) => it.kind === 'ShardStarted')).toBe(false)
  let texts = ''
  await until(() => {
    for (const it of sink.take()) {
      texts += it.texts?.join('') ?? ''
      if (it.bytes !== undefined) subscriptions.credit(subscriptionId, it.bytes)
    }
    return texts.endsWith('z')
  })
  expect(texts).toHaveLength(202)
})

type Resume = RequestOf<typeof subscribeToStream>['resume']

async function resumed(made: TestFanOut, resume: Resume): Promise<[number[], string[]]> {
  const { sink, subscriptions } = made.open()
  const answer = await toStream(subscriptions, { startingPositionType: 'LATEST', resume })
  const told = story(made, await settled(sink))
  subscriptions.close()
  return [indexesOf(answer), told]
}

test('goes on where the client was: in a shard, and at the end of one', async () => {
  const made = await makeFamily()
  const at = (index: number, nextSequenceNumber?: bigint) => ({
    shardNumber: made.shard(index).number,
    ...(nextSequenceNumber === undefined ? {} : { nextSequenceNumber }),
  })
  // In the middle of 0: all of it again but the record.
  const [begun, told] = await resumed(made, [at(0, 2n)])
  expect(begun).toEqual([0])
  expect(told.slice(0, 3)).toEqual(['ended 0', 'started 1 behind 0', 'started 2 behind 0'])
  // 0 is done: its children begin.
  const [children, ofChildren] = await resumed(made, [at(0)])
  expect(children).toEqual([1, 2])
  expect(ofChildren.slice(0, 4).sort()).toEqual(['b', 'c', 'ended 1', 'ended 2'])
  expect(ofChildren.slice(4)).toEqual(['started 3 behind 0', 'd'])
  // 1 is done, 2 is not in the list, and their parent has been sent.
  const [sibling, ofSibling] = await resumed(made, [at(1)])
  expect(sibling).toEqual([2])
  expect(ofSibling).toEqual(['c', 'ended 2', 'started 3 behind 0', 'd'])
  // In 3: what comes before it has been sent.
  expect(await resumed(made, [at(3, made.numberOf(3, 1))])).toEqual([[3], []])
  expect(await resumed(made, [at(3, made.numberOf(3, 0))])).toEqual([[3], ['d']])
  expect(await resumed(made, [at(3)])).toEqual([[], []])
})

test('positions in shards that are gone are told, unless they were finished', async () => {
  const made = await makeFamily()
  await makeStream(made, 't', 1)
  const gone = { shardNumber: 9999n, nextSequenceNumber: 7n }
  const { sink, subscriptions } = made.open()
  const answer = await toStream(subscriptions, {
    startingPositionType: 'LATEST',
    resume: [gone, { shardNumber: 8888n }, { shardNumber: made.shard(3).number }],
  })
  expect(answer.shards).toEqual([])
  expect(await settled(sink)).toEqual([
    {
      kind: 'Gap',
      subscriptionId: 1,
      shardNumber: 9999n,
      reason: 'SHARD_GONE',
      startSequenceNumber: 7n,
    },
  ])
  // With nothing that it knows, all that is there is sent.
  const [begun, told] = await resumed(made, [gone])
  expect(begun).toEqual([0])
  expect(told).toContain('Gap SHARD_GONE')
  expect(told.at(-1)).toBe('d')
})

test('a resumed position that was trimmed is a gap', async () => {
  const made = await makeFanOut()
  for (let i = 0; i < 5; i += 1) await made.put(0, [String(i)])
  const shardNumber = made.shard(0).number
  await made.log.trim(shardNumber, 4n as never)
  const [, told] = await resumed(made, [{ shardNumber, nextSequenceNumber: 2n }])
  expect(told).toEqual(['Gap TRIMMED', '34'])
})

test('a child that lost its first records before its turn came begins with a gap', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  const { sink, subscriptions } = made.open()
  await toStream(subscriptions, { creditBytes: 1 })
  const [{ bytes = 0 } = {}] = await settled(sink)
  await made.put(0, ['b'])
  await made.split(0)
  for (const key of ['c', 'd', 'e']) await made.put(1, [key])
  const { number: shardNumber } = made.shard(1)
  await made.log.trim(shardNumber, made.numberOf(1, 2))
  // One that is on its way to it, ...
  for (let i = 0; i < 2; i += 1) {
    subscriptions.credit(1, bytes)
    await turns(50)
  }
  const told = await settled(sink)
  const expected = ['b', 'ended 0', 'started 1 behind 2', 'Gap TRIMMED', 'started 2 behind 0', 'e']
  expect(story(made, told)).toEqual(expected)
  expect(told[3]).toMatchObject({
    shardNumber,
    startSequenceNumber: made.numberOf(1, 0),
    endSequenceNumber: made.numberOf(1, 2),
  })
  // ... and one that comes back when it has read the parent.
  const [, later] = await resumed(made, [{ shardNumber: made.shard(0).number }])
  expect(later).toEqual(['Gap TRIMMED', 'e'])
})

test('refuses what is wrong', async () => {
  const made = await makeFamily()
  const { subscriptions } = made.open()
  const said = async (request: Parameters<typeof toStream>[1]) => {
    const { code, message } = await failure(toStream(subscriptions, request))
    return `${code}: ${message}`
  }
  expect(await said({ streamName: 'missing' })).toBe('STREAM_NOT_FOUND: Stream missing not found.')
  expect(await said({ timestamp: 5 })).toMatch(/^INVALID_ARGUMENT: .*takes no timestamp/)
  expect(await said({ startingPositionType: 'AT_TIMESTAMP' })).toMatch(
    /^INVALID_ARGUMENT: Must specify timestampInMillis/,
  )
  const { number: shardNumber } = made.shard(3)
  const next = made.numberOf(3, 1)
  const resume = [{ shardNumber, nextSequenceNumber: made.numberOf(3, 95) }]
  expect(await said({ resume })).toBe(
    `SEQUENCE_NUMBER_IN_FUTURE: StartingSequenceNumber ${next + 94n} used in ` +
      'SubscribeToStream on shard shardId-000000000003 in stream s is invalid: ' +
      `the last record of the shard has the number ${next - 1n}.`,
  )
  expect(await said({ resume: [{ shardNumber, nextSequenceNumber: 1n }] })).toMatch(
    /^INVALID_ARGUMENT: .* did not come from this stream\.$/,
  )
  expect(await said({ resume: [{ shardNumber }, { shardNumber }] })).toBe(
    'INVALID_ARGUMENT: resume: a shard stands in it more than once',
  )
})

test('begins with at most 1,000 shards', async () => {
  const made = await makeFanOut(shardsPerSubscriptionMax + 1)
  const { subscriptions } = made.open()
  expect(await failure(toStream(subscriptions))).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    message: expect.stringContaining('stream s has 1001 shards to begin with'),
  })
  await makeStream(made, 't', shardsPerSubscriptionMax)
  const { sink, subscriptions: others } = made.open()
  const answer = await toStream(others, { streamName: 't', startingPositionType: 'LATEST' })
  expect(answer.shards).toHaveLength(shardsPerSubscriptionMax)
  await turns()
  // Of all of them at once.
  const told = sink.take({ heartbeats: true })
  expect(told.map((it) => it.kind)).toEqual(['Heartbeat'])
  expect(told[0]?.['shards']).toHaveLength(shardsPerSubscriptionMax)
})

test('a stream that is deleted before the children begin ends the subscription once', async () => {
  const made = await makeFamily()
  const { sink, subscriptions } = made.open()
  await toStream(subscriptions)
  sink.onPush = () => {
    if (sink.told.at(-1)?.kind !== 'ShardEnded') return
    sink.onPush = () => undefined
    void made.streams.delete(streamName)
  }
  await until(() => sink.told.some((it) => it.kind === 'SubscriptionEnded'))
  const told = (await settled(sink)).slice(-2)
  expect(told).toMatchObject([
    { kind: 'ShardEnded' },
    { kind: 'SubscriptionEnded', code: 'STREAM_NOT_FOUND' },
  ])
})

test.each(['ShardStarted', 'Gap'])('whoever takes its frames may end it: %s', async (kind) => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  await made.split(0)
  for (const index of [1, 2]) for (const key of ['b', 'c']) await made.put(index, [key])
  await made.log.trim(made.shard(1).number, made.numberOf(1, 1))
  const { sink, subscriptions } = made.open()
  await toStream(subscriptions)
  sink.onPush = () => {
    if (sink.told.at(-1)?.kind === kind) void leave(subscriptions, 1)
  }
  await until(() => sink.told.some((it) => it.kind === kind))
  expect((await settled(sink)).at(-1)?.kind).toBe(kind)
  expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 0, waiting: 0 })
  await made.put(1, ['d'])
  await made.put(2, ['e'])
  expect(await settled(sink)).toEqual([])
})
