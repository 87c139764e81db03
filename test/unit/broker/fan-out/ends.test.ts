/** Heartbeats, credit that is owed, and logs that fail, are damaged or are closed. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import { creditMillisMax, heartbeatMillis } from '../../../../src/limits.ts'
import { registerStreamConsumer } from '../../../../src/wire/consumer-operations.ts'
import { failure, makeBroker, makeStream as makeBrokerStream, put, textRecord } from '../harness.ts'
import {
  FakeSink,
  leave,
  makeFanOut,
  streamName,
  toShard,
  toStream,
  turns,
  until,
} from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})

afterEach(() => {
  vi.useRealTimers()
})

test('Kinesis 12: a heartbeat comes every 5 s, with how far each shard is behind', async () => {
  const made = await makeFanOut(2)
  await made.put(0, ['a'], 100)
  await made.put(0, ['b'], 100)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions, { creditBytes: 200 })
  const told = (count: number) => until(() => sink.told.length >= count)
  await told(2)
  const [first, second] = [made.shard(0).number, made.shard(1).number]
  // The second one has caught up, the first one has not.
  expect(sink.take({ heartbeats: true })).toMatchObject([
    { kind: 'slice', numbers: [1n] },
    { kind: 'Heartbeat', shards: [{ shardNumber: second, millisBehindLatest: 0 }] },
  ])
  const { lastArrivalMillis } = await made.log.shardStats(first)
  made.clock.millis = lastArrivalMillis + 1234
  expect(made.fanOut.stats()).toMatchObject({
    waiting: 1,
    behindBytes: 181,
    behindMillis: new Map([[streamName, 1234]]),
  })
  vi.advanceTimersByTime(heartbeatMillis)
  await told(1)
  const behind = {
    kind: 'Heartbeat',
    subscriptionId,
    shards: [
      { shardNumber: first, nextSequenceNumber: 2n, millisBehindLatest: 1234 },
      { shardNumber: second, nextSequenceNumber: 1n, millisBehindLatest: 0 },
    ],
  }
  expect(sink.take({ heartbeats: true })).toEqual([behind])
  vi.advanceTimersByTime(2 * heartbeatMillis)
  await told(1)
  await turns()
  // Two were due, and nobody has come to send the first.
  expect(sink.take({ heartbeats: true })).toEqual([behind])
  // It is told at once that the first one has caught up, as it was behind.
  subscriptions.credit(subscriptionId, 181)
  await told(2)
  expect(sink.take({ heartbeats: true })).toMatchObject([
    { kind: 'slice', numbers: [2n] },
    {
      kind: 'Heartbeat',
      shards: [{ shardNumber: first, nextSequenceNumber: 3n, millisBehindLatest: 0 }],
    },
  ])
  subscriptions.credit(subscriptionId, 181)
  await made.put(0, ['c'], 100)
  await told(1)
  expect(sink.take({ heartbeats: true })).toMatchObject([{ kind: 'slice', numbers: [3n] }])
  // It falls behind again, and a heartbeat says so.
  await made.put(0, ['d'], 100)
  vi.advanceTimersByTime(heartbeatMillis)
  await told(1)
  expect(sink.take({ heartbeats: true })).toMatchObject([{ kind: 'Heartbeat' }])
  subscriptions.credit(subscriptionId, 181)
  await told(2)
  expect(sink.take({ heartbeats: true })).toMatchObject([
    { kind: 'slice', numbers: [4n] },
    { kind: 'Heartbeat', shards: [{ nextSequenceNumber: 5n, millisBehindLatest: 0 }] },
  ])
})

test('the last that is heard of finished subscriptions is where each shard stands', async () => {
  const made = await makeFanOut(3)
  for (const key of ['a', 'b']) await made.put(0, [key], 100)
  const { sink, subscriptions } = made.open()
  const own = await toShard(subscriptions, 2, { startingPositionType: 'LATEST' })
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 200 })
  await until(() => sink.told.filter((it) => it.kind === 'Heartbeat').length > 0)
  await until(() => sink.told.some((it) => it.kind === 'slice'))
  sink.take()
  // The answer of this one has not left: there is nothing that it could have missed.
  const unheard = toShard(subscriptions, 1)
  await unheard
  const [first, third] = [made.shard(0).number, made.shard(2).number]
  const text = `subscription ${subscriptionId}, shard ${first}: nextSequenceNumber=2`
  expect(subscriptions.finish()).toBe(text)
  await made.put(0, ['c'])
  await made.put(2, ['c'])
  subscriptions.credit(subscriptionId, 181)
  vi.advanceTimersByTime(2 * heartbeatMillis)
  await turns()
  expect(sink.take({ heartbeats: true })).toMatchObject([
    {
      kind: 'Heartbeat',
      subscriptionId: own.subscriptionId,
      shards: [{ shardNumber: third, nextSequenceNumber: 1n }],
    },
    {
      kind: 'Heartbeat',
      subscriptionId,
      shards: [{ shardNumber: first, nextSequenceNumber: 2n }],
    },
  ])
  expect(made.fanOut.stats()).toMatchObject({ live: 0, waiting: 0, creditOutBytes: 0 })
  await expect(toShard(subscriptions, 0)).rejects.toThrow(MillraceError)
})

test('of a subscription with many shards one is named that has more to send', async () => {
  const made = await makeFanOut(2)
  for (const key of ['a', 'b']) await made.put(1, [key], 100)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions, { creditBytes: 200 })
  await until(() => sink.told.length >= 2)
  const place = `shard ${made.shard(1).number}: nextSequenceNumber=2, and 1 more`
  expect(subscriptions.finish()).toBe(`subscription ${subscriptionId}, ${place}`)
  expect(sink.take({ heartbeats: true }).at(-1)).toMatchObject({ kind: 'Heartbeat' })
})

test('nothing follows a heartbeat within which the subscription was ended', async () => {
  const made = await makeFanOut()
  for (const key of ['a', 'b']) await made.put(0, [key], 100)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 200 })
  await turns()
  vi.advanceTimersByTime(heartbeatMillis)
  await turns()
  sink.take()
  sink.onPush = () => {
    if (sink.told.at(-1)?.kind === 'Heartbeat') void leave(subscriptions, subscriptionId)
  }
  // It catches up, and says so, when the next heartbeat is due.
  subscriptions.credit(subscriptionId, 181)
  vi.advanceTimersByTime(heartbeatMillis)
  await turns()
  const told = sink.take({ heartbeats: true })
  expect(told.map((it) => it.kind)).toEqual(['slice', 'Heartbeat'])
  expect(made.fanOut.stats()).toMatchObject({ live: 0 })
})

test('many subscriptions do not have their heartbeats at the same time', async () => {
  const made = await makeFanOut()
  const timersBefore = vi.getTimerCount()
  const opened = Array.from({ length: 100 }, () => made.open())
  for (const { subscriptions } of opened) await toShard(subscriptions, 0)
  await until(() => opened.every(({ sink }) => sink.count > 0))
  for (const { sink } of opened) sink.told.length = 0
  const counts: number[] = []
  for (let i = 0; i < 50; i += 1) {
    vi.advanceTimersByTime(heartbeatMillis / 50)
    await turns()
    counts.push(opened.reduce((sum, { sink }) => sum + sink.told.splice(0).length, 0))
  }
  expect(counts).toEqual(Array.from({ length: 50 }, () => 2))
  for (const { subscriptions } of opened) subscriptions.close()
  expect(vi.getTimerCount()).toBe(timersBefore)
})

test('a sink that is slow gets its heartbeat when it has drained', async () => {
  const made = await makeFanOut()
  await made.put(0, ['a'])
  const { sink, subscriptions } = made.open()
  sink.isReading = false
  await toShard(subscriptions, 0)
  await turns()
  sink.take()
  vi.advanceTimersByTime(3 * heartbeatMillis)
  await turns()
  expect(sink.told).toEqual([])
  sink.isReading = true
  sink.waiting = 0
  subscriptions.drained()
  await turns()
  expect(sink.told).toMatchObject([{ kind: 'Heartbeat' }])
})

test('who leaves credit unreturned for 60 s while something waits is cut off', async () => {
  const made = await makeFanOut(2)
  for (let i = 0; i < 3; i += 1) await made.put(0, ['a'], 1000)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 1100 })
  // Nothing waits for this one, so it owes nothing.
  await toShard(subscriptions, 1)
  expect(subscriptions.owesCredit()).toBe(false)
  const step = async () => {
    vi.advanceTimersByTime(heartbeatMillis)
    await turns()
  }
  const beats = creditMillisMax / heartbeatMillis
  for (let i = 0; i < beats; i += 1) await step()
  expect(sink.stalls).toBe(0)
  expect(subscriptions.owesCredit()).toBe(true)
  // Some of it came back: it begins anew.
  subscriptions.credit(subscriptionId, 1)
  await turns()
  for (let i = 0; i < beats; i += 1) await step()
  expect(sink.stalls).toBe(0)
  await step()
  expect(sink.stalls).toBe(1)
})

test('so is who has used up the credit of the connection, and returns none', async () => {
  const made = await makeFanOut(5)
  for (let index = 0; index < 5; index += 1) {
    for (let i = 0; i < 3; i += 1) await made.put(index, ['a'], 200_000)
  }
  const { sink, subscriptions } = made.open()
  const creditBytes = 610_000
  for (let index = 0; index < 5; index += 1) await toShard(subscriptions, index, { creditBytes })
  await turns(20)
  expect(subscriptions.owesCredit()).toBe(true)
  const beats = creditMillisMax / heartbeatMillis
  const step = async () => {
    vi.advanceTimersByTime(heartbeatMillis)
    await turns()
  }
  for (let i = 0; i < beats; i += 1) await step()
  expect(sink.stalls).toBe(0)
  subscriptions.credit(1, 1)
  for (let i = 0; i < beats; i += 1) await step()
  expect(sink.stalls).toBe(0)
  for (let i = 0; i < 2; i += 1) await step()
  expect(sink.stalls).toBeGreaterThan(0)
})

test.each([false, true])('a shard that has failed ends its subscriptions: %s', async (readsToo) => {
  const watched = new WatchLog()
  const made = await makeFanOut(2, { wrap: (log) => watched.wrap(log) })
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await toShard(subscriptions, 1)
  await turns()
  sink.take()
  await made.put(0, ['a'])
  watched.fail(made.shard(0).number, new MillraceError('LOG_FAILED', 'fdatasync: EIO'), readsToo)
  await until(() => sink.told.some((it) => it.kind === 'SubscriptionEnded'))
  const ended = { kind: 'SubscriptionEnded', subscriptionId: 1, code: 'LOG_FAILED' }
  expect(made.reported).toEqual(['LOG_FAILED'])
  // What could be read before it failed is sent.
  const before = readsToo ? [] : [{ kind: 'slice', numbers: [1n] }]
  expect(sink.take()).toMatchObject([...before, { ...ended, message: 'fdatasync: EIO' }])
  await made.put(1, ['b'])
  await until(() => sink.takeTexts().length === 1)
})

test('what is a bug of the broker is told to its owner, and not to clients', async () => {
  const watched = new WatchLog()
  const made = await makeFanOut(1, { wrap: (log) => watched.wrap(log) })
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await turns()
  sink.take()
  watched.fail(made.shard(0).number, new TypeError('x is undefined') as never, true)
  await until(() => sink.told.length > 0)
  expect(sink.take()).toMatchObject([
    { kind: 'SubscriptionEnded', code: 'INTERNAL', message: 'an internal error' },
  ])
  expect(made.reported).toEqual(['INTERNAL'])
})

test('damaged records are a gap, and reading goes on behind them', async () => {
  const made = await makeBroker()
  await makeBrokerStream(made.broker, streamName)
  const texts = Array.from({ length: 20 }, (_, i) => `record-${i}-${'.'.repeat(5000)}`)
  for (const text of texts) await put(made.broker, { streamName }, textRecord('k', text))
  await made.broker.close()
  damage(made.dir, 'record-7-')
  damage(made.dir, 'record-8-')
  damage(made.dir, 'record-19-')
  await made.reopen()
  const sink = new FakeSink()
  const subscriptions = made.broker.openSubscriptions(sink)
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 1024 * 1024 })
  await turns(20)
  const told = sink.take()
  const numbers = told.flatMap((it) => it.numbers ?? [])
  expect(numbers).toEqual(
    Array.from({ length: 19 }, (_, i) => BigInt(i + 1)).filter((it) => it !== 8n && it !== 9n),
  )
  const gaps = told.filter((it) => it.kind === 'Gap')
  expect(gaps[0]).toMatchObject({
    subscriptionId,
    reason: 'CORRUPT',
    startSequenceNumber: 8n,
    endSequenceNumber: 10n,
  })
  expect(gaps[1]).toMatchObject({ reason: 'CORRUPT', startSequenceNumber: 20n })
  expect(gaps).toHaveLength(2)
})

/** Changes one byte of the data of a record in the files of a directory. */
function damage(dir: string, text: string): void {
  const log = join(dir, 'log')
  for (const name of readdirSync(log)) {
    const bytes = readFileSync(join(log, name))
    const at = bytes.indexOf(text)
    if (at === -1) continue
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(join(log, name), bytes)
    return
  }
  throw new Error(`there is no ${text}`)
}

test('a broker that closes ends its subscriptions, and takes no more', async () => {
  const { broker } = await makeBroker()
  await makeBrokerStream(broker, streamName)
  await broker.call(registerStreamConsumer, { streamName, consumerName: 'billing' })
  const sink = new FakeSink()
  const subscriptions = broker.openSubscriptions(sink)
  await toShard(subscriptions, 0, { consumerName: 'billing' })
  await turns()
  expect((await broker.stats()).fanOut).toMatchObject({ live: 1 })
  await broker.close()
  expect(sink.take()).toMatchObject([{ kind: 'SubscriptionEnded', code: 'SERVER_CLOSING' }])
  expect(await failure(toShard(subscriptions, 0))).toMatchObject({ code: 'SERVER_CLOSING' })
  expect(vi.getTimerCount()).toBe(0)
})
