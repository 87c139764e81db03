/** Limits of subscriptions that are set: each of them is kept where it is another. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { creditShareBytes, fanOutLimits } from '../../../../src/broker/fan-out/fan-out-limits.ts'
import { parseTcpMemory, tcpMemoryBytes } from '../../../../src/broker/fan-out/tcp-memory.ts'
import { unsubscribe } from '../../../../src/wire/subscription-operations.ts'
import { failure, temporaryDirectory } from '../harness.ts'
import {
  type FakeSink,
  leave,
  makeFanOut,
  streamName,
  type TestFanOut,
  toShard,
  turns,
  until,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

function bytesIn(sink: FakeSink): number {
  return sink.take().reduce((sum, it) => sum + (it.bytes ?? 0), 0)
}

/** Reads a shard, and returns all credit. */
async function goOn({ sink, subscriptions }: ReturnType<TestFanOut['open']>, index: number) {
  const got = { bytes: 0 }
  const { subscriptionId: id } = await toShard(subscriptions, index)
  const giveBack = () => {
    const bytes = bytesIn(sink)
    got.bytes += bytes
    if (bytes > 0) subscriptions.credit(id, bytes)
  }
  sink.onPush = () => setImmediate(giveBack)
  giveBack()
  return got
}

async function putMany(made: TestFanOut, index: number, count: number) {
  for (let i = 0; i < count; i += 1) await made.put(index, ['k'], 2000)
}

const kibibytes = (count: number) => count * 1024

describe('limits of subscriptions', () => {
  it('so many of a connection', async () => {
    const made = await makeFanOut(3, { limits: { subscriptionsMax: 2 } })
    const { subscriptions } = made.open()
    const first = await toShard(subscriptions, 0)
    await toShard(subscriptions, 1)
    const refused = await failure(toShard(subscriptions, 2))
    expect(refused).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('at most 2 (subscriptionsMax)'),
      retryable: true,
    })
    // No time is known: it is for the client to unsubscribe from another one.
    expect(refused.retryAfterMs).toBe(undefined)
    await toShard(made.open().subscriptions, 2)
    await subscriptions.call(unsubscribe, { subscriptionId: first.subscriptionId })
    await toShard(subscriptions, 2)
  })

  it('so many bytes of each, whatever it asks for', async () => {
    const made = await makeFanOut(1, { limits: { subscriptionCreditBytesMax: kibibytes(64) } })
    await putMany(made, 0, 100)
    const { sink, subscriptions } = made.open()
    const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: kibibytes(256) })
    await turns(30)
    const bytes = bytesIn(sink)
    expect(bytes).toBeGreaterThan(kibibytes(60))
    expect(bytes).toBeLessThanOrEqual(kibibytes(64))
    subscriptions.credit(subscriptionId, bytes)
    await turns(30)
    expect(bytesIn(sink)).toBeGreaterThan(kibibytes(60))
  })

  it('... of all of a connection', async () => {
    const made = await makeFanOut(2, { limits: { connectionCreditBytesMax: kibibytes(100) } })
    await putMany(made, 0, 60)
    await putMany(made, 1, 60)
    const { sink, subscriptions } = made.open()
    await toShard(subscriptions, 0)
    await toShard(subscriptions, 1)
    await turns(30)
    expect(made.fanOut.stats().creditOutBytes).toBeLessThanOrEqual(kibibytes(100))
    expect(bytesIn(sink)).toBeGreaterThan(kibibytes(90))
  })

  it('heartbeats as often as is said', async () => {
    const made = await makeFanOut(1, { limits: { heartbeatMillis: 50 } })
    const { sink, subscriptions } = made.open()
    await toShard(subscriptions, 0)
    await until(() => sink.told.filter((it) => it.kind === 'Heartbeat').length > 3)
    subscriptions.close()
  })

  it('a client that returns nothing is told of after the time for it', async () => {
    const limits = { creditMillisMax: 100, heartbeatMillis: 50 }
    const made = await makeFanOut(1, { limits })
    await putMany(made, 0, 40)
    const { sink, subscriptions } = made.open()
    await toShard(subscriptions, 0, { creditBytes: kibibytes(10) })
    await until(() => sink.stalls > 0)
    subscriptions.close()
  })
})

describe('the bytes of all subscriptions together', () => {
  const totals = { creditTotalBytesMax: kibibytes(128), connectionCreditBytesMax: kibibytes(128) }

  it('are bounded, and who waits goes on when some come back', async () => {
    const made = await makeFanOut(1, { limits: totals })
    await putMany(made, 0, 100)
    const [first, second, third] = [made.open(), made.open(), made.open()]
    const { subscriptionId: id } = await toShard(first.subscriptions, 0)
    await turns(30)
    const taken = bytesIn(first.sink)
    // No more than it leaves for others, but for a batch.
    expect(taken).toBeGreaterThan(kibibytes(60))
    expect(taken).toBeLessThanOrEqual(kibibytes(66))
    await toShard(second.subscriptions, 0)
    await toShard(third.subscriptions, 0)
    await turns(30)
    const early = bytesIn(second.sink) + bytesIn(third.sink)
    expect(made.fanOut.stats().creditOutBytes).toBe(taken + early)
    expect(taken + early).toBeLessThanOrEqual(kibibytes(128))
    expect(early).toBeGreaterThan(kibibytes(40))
    first.subscriptions.credit(id, kibibytes(20))
    await turns(30)
    expect(bytesIn(second.sink) + bytesIn(third.sink) + bytesIn(first.sink)).toBeGreaterThan(
      kibibytes(8),
    )
    await leave(first.subscriptions, id)
    await turns(30)
    expect(bytesIn(second.sink) + bytesIn(third.sink)).toBeGreaterThan(kibibytes(25))
    expect(made.fanOut.stats().creditOutBytes).toBeGreaterThan(kibibytes(80))
    expect(made.fanOut.stats().creditOutBytes).toBeLessThanOrEqual(kibibytes(128))
    for (const it of [second, third]) it.subscriptions.close()
    expect(made.fanOut.stats().creditOutBytes).toBe(0)
  })

  it('are not held by clients that return nothing while others have nothing', async () => {
    const times = { starvingMillisMax: 200, heartbeatMillis: 50 }
    const made = await makeFanOut(2, { limits: { ...totals, ...times } })
    await putMany(made, 0, 30)
    await putMany(made, 1, 60)
    const [holds, waits] = [made.open(), made.open()]
    // It has had everything, and owes nothing for itself.
    await toShard(holds.subscriptions, 0, { creditBytes: kibibytes(256) })
    await turns(30)
    expect(made.fanOut.stats()).toMatchObject({ live: 1, waiting: 0 })
    const got = await goOn(waits, 1)
    await until(() => got.bytes > 60 * 2000)
    await new Promise((resolve) => setTimeout(resolve, 3 * times.starvingMillisMax))
    expect(holds.sink.stalls).toBe(0)
    // It says nothing, and waits for nothing: it leaves no room for a large batch of another.
    await made.put(1, ['k'], 100_000)
    await until(() => holds.sink.stalls > 0)
    expect(made.fanOut.stats()).toMatchObject({ live: 1, waiting: 0 })
    expect(waits.sink.stalls).toBe(0)
    holds.subscriptions.close()
    await until(() => got.bytes > 60 * 2000 + 100_000)
    waits.subscriptions.close()
  })

  it('are not waited for in vain by a batch that is larger than they are', async () => {
    const times = { starvingMillisMax: 100, heartbeatMillis: 50 }
    const made = await makeFanOut(2, { limits: { ...totals, ...times } })
    await putMany(made, 0, 10)
    await made.put(1, ['k'], 200_000)
    const [holds, waits] = [made.open(), made.open()]
    const { subscriptionId: id } = await toShard(holds.subscriptions, 0)
    const got = await goOn(waits, 1)
    await new Promise((resolve) => setTimeout(resolve, 5 * times.starvingMillisMax))
    expect([holds.sink.stalls, got.bytes]).toEqual([0, 0])
    holds.subscriptions.credit(id, bytesIn(holds.sink))
    await until(() => got.bytes > 200_000)
    for (const it of [holds, waits]) it.subscriptions.close()
  })

  it('a client is cut off that waits for others, and returns nothing itself', async () => {
    const times = { creditMillisMax: 200, heartbeatMillis: 50 }
    const made = await makeFanOut(1, { limits: { ...totals, ...times } })
    await putMany(made, 0, 60)
    const { sink, subscriptions } = made.open()
    await toShard(subscriptions, 0)
    await turns(30)
    expect(subscriptions.owesCredit()).toBe(true)
    await until(() => sink.stalls > 0)
    subscriptions.close()
    expect(subscriptions.owesCredit()).toBe(false)
  })

  it('leave something to a client that returns credit, whoever it is', async () => {
    const made = await makeFanOut(2, { limits: totals })
    await putMany(made, 0, 100)
    await putMany(made, 1, 60)
    const stalled = [made.open(), made.open(), made.open(), made.open()]
    for (const it of stalled) {
      await toShard(it.subscriptions, 0)
      await turns(10)
    }
    expect(made.fanOut.stats().creditOutBytes).toBeGreaterThan(kibibytes(110))
    const healthy = made.open()
    const got = await goOn(healthy, 1)
    await until(() => got.bytes > 60 * 2000)
    for (const it of [...stalled, healthy]) {
      expect(it.sink.stalls).toBe(0)
      it.subscriptions.close()
    }
    expect(made.fanOut.stats().creditOutBytes).toBe(0)
  })

  it('are a quarter of what the kernel has for TCP, and never less than a connection has', () => {
    const file = join(temporaryDirectory(), 'tcp_mem')
    writeFileSync(file, '287901\t383870\t575802\n')
    expect(tcpMemoryBytes(file)).toBe(575_802 * 4096)
    expect(fanOutLimits({}).creditTotalBytesMax).toBe(
      Math.max(Math.floor(tcpMemoryBytes() / 4), 1024 * 1024),
    )
    expect(fanOutLimits({ creditTotalBytesMax: 5 }).creditTotalBytesMax).toBe(1024 * 1024)
    expect(fanOutLimits({ creditTotalBytesMax: 2 ** 30 }).creditTotalBytesMax).toBe(2 ** 30)
  })

  it('... or of what is usual, where the kernel does not say', () => {
    expect(tcpMemoryBytes('/nowhere/tcp_mem', 32 * 2 ** 30)).toBe(3 * 2 ** 30)
    const wrong = ['', '1 2', '1 2 three', '1 2 3 4', '-1 -2 -3']
    expect(wrong.map((text) => parseTcpMemory(text))).toEqual(wrong.map(() => undefined))
  })
})

describe('the share that one has of them', () => {
  const limits = { creditTotalBytesMax: kibibytes(256), connectionCreditBytesMax: kibibytes(256) }

  it('is all that its subscriptions have, many as they are, and others go on at once', async () => {
    const made = await makeFanOut(2, { limits })
    await putMany(made, 0, 150)
    await putMany(made, 1, 60)
    const stalled = Array.from({ length: 8 }, () => made.open('eve'))
    for (const it of stalled) await toShard(it.subscriptions, 0)
    await turns(30)
    const { creditOutBytes } = made.fanOut.stats()
    expect(creditOutBytes).toBeGreaterThan(kibibytes(110))
    expect(creditOutBytes).toBeLessThanOrEqual(kibibytes(128))
    const other = made.open('bob')
    const { subscriptionId: id } = await toShard(other.subscriptions, 1)
    await turns(30)
    const bytes = bytesIn(other.sink)
    expect(bytes).toBeGreaterThan(kibibytes(50))
    other.subscriptions.credit(id, bytes)
    await turns(30)
    expect(bytesIn(other.sink)).toBeGreaterThan(kibibytes(50))
    expect(made.fanOut.shares.count).toBe(2)
    for (const it of [...stalled, other]) it.subscriptions.close()
    expect(made.fanOut.shares.count).toBe(0)
    expect(made.fanOut.stats().creditOutBytes).toBe(0)
  })

  it('is as much as is said; who is nobody has all', async () => {
    const made = await makeFanOut(1, { limits: { ...limits, creditSharePercentMax: 25 } })
    await putMany(made, 0, 150)
    const [one, nobody] = [made.open('eve'), made.open()]
    for (const it of [one, nobody]) await toShard(it.subscriptions, 0)
    await turns(30)
    expect(bytesIn(one.sink)).toBeLessThanOrEqual(kibibytes(34))
    expect(bytesIn(nobody.sink)).toBeGreaterThan(kibibytes(90))
    for (const it of [one, nobody]) it.subscriptions.close()
  })

  it('is not kept by a subscription that is refused', async () => {
    const made = await makeFanOut(1)
    await made.consumers.stored.register(made.streams.require(streamName), 'worker', [])
    const [first, second] = [made.open(), made.open('eve')]
    await toShard(first.subscriptions, 0, { consumerName: 'worker' })
    await expect(
      toShard(second.subscriptions, 0, { consumerName: 'worker' }),
    ).rejects.toMatchObject({ code: 'CONSUMER_IN_USE' })
    expect(made.fanOut.shares.count).toBe(0)
    first.subscriptions.close()
  })

  it('is a slice at least', () => {
    const share = (creditSharePercentMax: number) =>
      creditShareBytes(fanOutLimits({ creditTotalBytesMax: 2 ** 30, creditSharePercentMax }))
    expect([share(50), share(100)]).toEqual([2 ** 29, 2 ** 30])
    const least = { creditTotalBytesMax: 2 ** 20, creditSharePercentMax: 1 }
    expect(creditShareBytes(fanOutLimits(least))).toBe(kibibytes(64))
  })
})
