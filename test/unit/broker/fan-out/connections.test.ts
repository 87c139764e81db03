/** What the subscriptions of a connection share, and how they end together. */

import { expect, test, vi } from 'vitest'
import { subscribeToShard } from '../../../../src/wire/subscription-operations.ts'
import { failure } from '../harness.ts'
import {
  leave,
  makeFanOut,
  makeStream,
  streamName,
  toShard,
  toStream,
  turns,
  until,
} from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

test('all subscribers of a shard have one watch and one read', async () => {
  const watched = new WatchLog()
  const made = await makeFanOut(2, { wrap: (log) => watched.wrap(log) })
  const opened = Array.from({ length: 100 }, () => made.open())
  for (const { subscriptions } of opened) await toStream(subscriptions)
  await turns(20)
  expect([watched.open, watched.reads]).toEqual([2, 0])
  await made.put(0, ['a'])
  await until(() => opened.every(({ sink }) => sink.told.some((it) => it.kind === 'slice')))
  // A round may be over before all of them were served.
  expect(watched.reads).toBeLessThan(20)
  for (const { sink } of opened) expect(sink.takeTexts()).toEqual(['a'])
  for (const { subscriptions } of opened.slice(1)) subscriptions.close()
  expect(watched.open).toBe(2)
  opened[0]?.subscriptions.close()
  expect(watched.open).toBe(0)
})

test('a connection has a shard once: also by a subscription of its stream', async () => {
  const made = await makeFanOut(2)
  const { subscriptions } = made.open()
  await toShard(subscriptions, 1)
  const twice =
    'shard shardId-000000000001 of stream s is sent to subscription 1 of this connection'
  const refusal = { code: 'INVALID_ARGUMENT', message: expect.stringContaining(twice) }
  expect(await failure(toShard(subscriptions, 1))).toMatchObject(refusal)
  expect(await failure(toStream(subscriptions))).toMatchObject(refusal)
  await toShard(subscriptions, 0)
  await leave(subscriptions, 1)
  await leave(subscriptions, 2)
  await toStream(subscriptions)
  expect(await failure(toShard(subscriptions, 0))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(await failure(toStream(subscriptions))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  // Of two that are asked for at once, one comes.
  const other = made.open().subscriptions
  const both = await Promise.allSettled([toShard(other, 0), toShard(other, 0)])
  expect(both.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected'])
})

test('a connection has 128 subscriptions', async () => {
  const made = await makeFanOut(129)
  const { subscriptions } = made.open()
  for (let i = 0; i < 127; i += 1) await toShard(subscriptions, i)
  const last = await Promise.allSettled([toShard(subscriptions, 127), toShard(subscriptions, 128)])
  expect(last.map((it) => it.status).sort()).toEqual(['fulfilled', 'rejected'])
  expect(await failure(toStream(subscriptions))).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    message: expect.stringContaining('this connection has 128 subscriptions, at most 128'),
  })
  await leave(subscriptions, 5)
  await toShard(subscriptions, 128)
})

test('a stream that is deleted ends its subscriptions, a connection its own', async () => {
  const made = await makeFanOut(2)
  await makeStream(made, 't', 1)
  const { sink, subscriptions } = made.open()
  const other = made.open()
  await toShard(subscriptions, 0)
  await toShard(subscriptions, 0, { streamName: 't' })
  await toStream(other.subscriptions)
  await turns()
  sink.take()
  const deletion = made.streams.delete(streamName)
  await until(() => sink.told.length > 0)
  const ended = {
    kind: 'SubscriptionEnded',
    code: 'STREAM_NOT_FOUND',
    message: 'Stream s not found.',
  }
  expect(sink.take()).toMatchObject([{ ...ended, subscriptionId: 1 }])
  expect(other.sink.take()).toMatchObject([{ ...ended, subscriptionId: 1 }])
  await deletion
  subscriptions.close()
  await made.log.append(made.streams.require('t').shards.get(0)?.number as never, {
    bytes: Uint8Array.of(0x92, 0xa1, 0x61, 0xc4, 0),
    count: 1,
  })
  await turns()
  expect(sink.take({ heartbeats: true })).toEqual([])
  expect(await failure(toShard(subscriptions, 0, { streamName: 't' }))).toMatchObject({
    code: 'SERVER_CLOSING',
  })
  expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 0, waiting: 0 })
})

test('a stream that is deleted while somebody subscribes to it is not subscribed to', async () => {
  const made = await makeFanOut()
  const { sink, subscriptions } = made.open()
  const refused = failure(toShard(subscriptions, 0))
  void made.streams.delete(streamName)
  expect(await refused).toMatchObject({ code: 'STREAM_NOT_FOUND' })
  const closed = made.open().subscriptions
  const other = failure(toShard(closed, 0, { streamName: 't' }))
  closed.close()
  expect(await other).toMatchObject({ code: 'STREAM_NOT_FOUND' })
  expect(sink.count).toBe(0)
})

test('is called by its three operations alone', async () => {
  const made = await makeFanOut()
  const { subscriptions } = made.open()
  const other = { ...subscribeToShard, opcode: 0x10 }
  expect(await failure(subscriptions.call(other, {} as never))).toMatchObject({
    code: 'PROTOCOL_VIOLATION',
  })
})
