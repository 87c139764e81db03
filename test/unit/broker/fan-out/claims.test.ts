/** Consumers: a shard is one subscription's, until another takes it over. */

import { expect, test, vi } from 'vitest'
import { millisToWait } from '../../../../src/broker/fan-out/claims.ts'
import { takeOverMillis } from '../../../../src/limits.ts'
import { failure } from '../harness.ts'
import {
  leave,
  makeFanOut,
  streamName,
  type TestFanOut,
  toShard,
  toStream,
  turns,
  until,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const consumerName = 'billing'

async function withConsumer(shardCount = 1): Promise<TestFanOut> {
  const made = await makeFanOut(shardCount)
  await made.consumers.stored.register(made.streams.require(streamName), consumerName, [])
  return made
}

test('a newer lease takes over at once, anything else after 5 s', () => {
  const held = (leaseCounter?: bigint) => ({ claimedMillis: 1000, leaseCounter })
  expect(millisToWait(held(), undefined, 1000)).toBe(takeOverMillis)
  expect(millisToWait(held(), undefined, 1000 + takeOverMillis - 1)).toBe(1)
  expect(millisToWait(held(), undefined, 1000 + takeOverMillis)).toBe(0)
  expect(millisToWait(held(), 0n, 1000)).toBe(0)
  expect(millisToWait(held(4n), 5n, 1000)).toBe(0)
  expect(millisToWait(held(5n), 5n, 1000)).toBe(takeOverMillis)
  expect(millisToWait(held(6n), 5n, 1000)).toBe(takeOverMillis)
  expect(millisToWait(held(6n), undefined, 1000)).toBe(takeOverMillis)
})

test('Kinesis 19: a second subscription has to wait 5 s, and then takes over', async () => {
  const made = await withConsumer()
  const [first, second] = [made.open(), made.open()]
  await toShard(first.subscriptions, 0, { consumerName })
  await turns()
  made.clock.millis += takeOverMillis - 1
  expect(await failure(toShard(second.subscriptions, 0, { consumerName }))).toMatchObject({
    code: 'CONSUMER_IN_USE',
    retryAfterMs: 1,
    message:
      'Another subscription of consumer billing began to read shard shardId-000000000000 of ' +
      'stream s 4999 ms ago; it can be taken over 5000 ms after it began.',
  })
  // The one that was refused has not begun anything.
  made.clock.millis += 1
  await toShard(second.subscriptions, 0, { consumerName })
  await turns()
  expect(first.sink.take()).toEqual([
    {
      kind: 'SubscriptionEnded',
      subscriptionId: 1,
      code: 'CONSUMER_IN_USE',
      message:
        'Another subscription of consumer billing has taken ' +
        'shard shardId-000000000000 of stream s over.',
    },
  ])
  await made.put(0, ['a'])
  await until(() => second.sink.takeTexts().length === 1)
  expect(first.sink.count).toBe(2)
  expect(made.fanOut.stats()).toMatchObject({ live: 1, takenOver: 1 })
})

test('one that is taken over before its answer has left hears of it afterwards', async () => {
  const made = await withConsumer()
  const [first, second] = [made.open(), made.open()]
  const taken = toShard(first.subscriptions, 0, { consumerName }).then(() => {
    made.clock.millis += takeOverMillis
    return toShard(second.subscriptions, 0, { consumerName })
  })
  await taken
  expect(first.sink.told).toEqual([])
  await turns()
  expect(first.sink.take()).toMatchObject([{ kind: 'SubscriptionEnded', subscriptionId: 1 }])
})

test('one that has left keeps nobody out, and other consumers and clients never do', async () => {
  const made = await withConsumer()
  await made.consumers.stored.register(made.streams.require(streamName), 'audit', [])
  const opened = Array.from({ length: 5 }, () => made.open().subscriptions)
  const [a, b, c, d, e] = opened as [never, never, never, never, never]
  await toShard(a, 0, { consumerName })
  await toShard(b, 0, { consumerName: 'audit' })
  await toShard(c, 0)
  await toShard(d, 0)
  await leave(a, 1)
  await toShard(e, 0, { consumerName })
  expect(made.fanOut.stats()).toMatchObject({ takenOver: 0 })
})

test('the lease decides: an older one is lost, a newer one takes over at once', async () => {
  const made = await withConsumer()
  const stream = made.streams.require(streamName)
  const acquire = async (workerId: string) => {
    const consumer = made.consumers.stored.require(stream, consumerName)
    const { leases } = await made.consumers.leases.acquire(consumer, {
      workerId,
      leaseMillis: 1000,
    })
    return leases.get(0)?.counter ?? 0n
  }
  const first = await acquire('one')
  const [one, two] = [made.open(), made.open()]
  const with1 = { consumerName, leaseCounter: first }
  await toShard(one.subscriptions, 0, with1)
  expect(await failure(toShard(two.subscriptions, 0, with1))).toMatchObject({
    code: 'CONSUMER_IN_USE',
  })
  made.clock.millis += 2000
  const second = await acquire('two')
  expect(second).toBeGreaterThan(first)
  expect(await failure(toShard(two.subscriptions, 0, with1))).toMatchObject({
    code: 'LEASE_LOST',
    message:
      `leaseCounter is ${first}, the newest lease of shard shardId-000000000000 ` +
      `for consumer billing is ${second}`,
  })
  await toShard(two.subscriptions, 0, { consumerName, leaseCounter: second })
  await turns()
  expect(one.sink.take()).toMatchObject([
    { kind: 'SubscriptionEnded', code: 'LEASE_LOST', subscriptionId: 1 },
  ])
})

test('a subscription of a stream claims each shard as it begins it', async () => {
  const made = await withConsumer(2)
  await made.put(0, ['a'])
  const [one, two, three] = [made.open(), made.open(), made.open()]
  await toStream(one.subscriptions, { consumerName })
  expect(await failure(toShard(two.subscriptions, 1, { consumerName }))).toMatchObject({
    code: 'CONSUMER_IN_USE',
  })
  await made.split(0)
  await until(() => one.sink.told.filter((it) => it.kind === 'ShardStarted').length === 2)
  made.clock.millis += takeOverMillis
  await toShard(two.subscriptions, 2, { consumerName })
  await turns()
  expect(one.sink.take().at(-1)).toMatchObject({
    kind: 'SubscriptionEnded',
    code: 'CONSUMER_IN_USE',
  })
  // All of it has ended, so the other shards are free.
  await toShard(three.subscriptions, 1, { consumerName })
  expect(await failure(toStream(one.subscriptions, { consumerName }))).toMatchObject({
    code: 'CONSUMER_IN_USE',
  })
  expect(two.sink.told.some((it) => it.kind === 'SubscriptionEnded')).toBe(false)
})

test('a child that another subscription has just begun ends the one that comes to it', async () => {
  const made = await withConsumer()
  await made.put(0, ['a'], 100)
  const [one, two] = [made.open(), made.open()]
  const { subscriptionId } = await toStream(one.subscriptions, { consumerName, creditBytes: 1 })
  await turns()
  await made.put(0, ['b'], 100)
  await made.split(0)
  await toShard(two.subscriptions, 1, { consumerName })
  let returned = 0
  await until(() => {
    // Also of the second slice: a mark of the log may follow it, which is read with credit alone.
    const bytes = one.sink.told.reduce((sum, it) => sum + (it.bytes ?? 0), 0)
    if (bytes > returned) one.subscriptions.credit(subscriptionId, bytes - returned)
    returned = bytes
    return one.sink.told.some((it) => it.kind === 'SubscriptionEnded')
  })
  expect(one.sink.take().slice(-2)).toMatchObject([
    { kind: 'ShardEnded' },
    { kind: 'SubscriptionEnded', code: 'CONSUMER_IN_USE', retryAfterMs: takeOverMillis },
  ])
})

test('a shard that was sent to its end is free, and its stream read on', async () => {
  const made = await withConsumer()
  await made.put(0, ['a'])
  await made.split(0)
  const [one, two] = [made.open(), made.open()]
  await toStream(one.subscriptions, { consumerName })
  await until(() => one.sink.told.filter((it) => it.kind === 'ShardStarted').length === 2)
  await toShard(two.subscriptions, 0, { consumerName })
  await until(() => two.sink.told.some((it) => it.kind === 'ShardEnded'))
  expect(one.sink.told.some((it) => it.kind === 'SubscriptionEnded')).toBe(false)
  expect(await failure(toShard(two.subscriptions, 1, { consumerName }))).toMatchObject({
    code: 'CONSUMER_IN_USE',
  })
})

test('a name that is not registered, or not any more, is CONSUMER_NOT_FOUND', async () => {
  const made = await withConsumer(2)
  const { sink, subscriptions } = made.open()
  const unknown = { consumerName: 'audit' }
  for (const refused of [toShard(subscriptions, 0, unknown), toStream(subscriptions, unknown)]) {
    expect(await failure(refused)).toMatchObject({ code: 'CONSUMER_NOT_FOUND' })
  }
  await toShard(subscriptions, 0, { consumerName })
  await toShard(subscriptions, 1)
  await turns()
  sink.take()
  await made.consumers.deregister(streamName, consumerName)
  expect(sink.take()).toEqual([
    {
      kind: 'SubscriptionEnded',
      subscriptionId: 1,
      code: 'CONSUMER_NOT_FOUND',
      message: 'Consumer billing was deregistered.',
    },
  ])
  expect(made.fanOut.stats()).toMatchObject({ live: 1 })
})
