/** The pace of subscriptions of a PROVISIONED stream: 2 MiB a second of each shard, no error. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Pace } from '../../../../src/broker/fan-out/pacer.ts'
import { type FakeSink, makeFanOut, type TestFanOut, toShard, toStream, turns } from './harness.ts'

const mib = 1024 * 1024
const kib = 1024

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
})

afterEach(() => {
  vi.useRealTimers()
})

/** Bytes of slices that have come; credit for them goes back. */
function taker(sink: FakeSink, giveBack: (bytes: number) => void) {
  const bytes = new Map<bigint, number>()
  return {
    bytes,
    take() {
      for (const { kind, bytes: length = 0, shardNumber = 0n } of sink.take()) {
        if (kind !== 'slice') continue
        bytes.set(shardNumber, (bytes.get(shardNumber) ?? 0) + length)
        giveBack(length)
      }
    },
  }
}

/** Time goes by in small steps, in each of which all that can be sent is sent. */
async function pass(made: TestFanOut, millis: number, take: () => void): Promise<void> {
  for (let at = 0; at < millis; at += 20) {
    made.clock.millis += 20
    vi.advanceTimersByTime(20)
    for (let i = 0; i < 24; i += 1) {
      await turns(2)
      take()
    }
  }
}

async function fill(made: TestFanOut, index: number, megabytes: number): Promise<void> {
  for (let i = 0; i < megabytes * 16; i += 1) await made.put(index, ['k'], 64 * kib)
}

test('Kinesis 13: 2 MiB a second of each shard are pushed, those of a second at once', async () => {
  const made = await makeFanOut(2, { streamMode: 'PROVISIONED' })
  await fill(made, 0, 8)
  await fill(made, 1, 8)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions)
  const { bytes, take } = taker(sink, (length) => subscriptions.credit(subscriptionId, length))
  await pass(made, 20, take)
  for (const length of bytes.values()) {
    expect(length).toBeGreaterThanOrEqual(2 * mib)
    expect(length).toBeLessThan(2 * mib + 192 * kib)
  }
  expect(bytes.size).toBe(2)
  await pass(made, 1000, take)
  for (const length of bytes.values()) {
    expect(length).toBeGreaterThan(3.6 * mib)
    expect(length).toBeLessThan(4 * mib + 192 * kib)
  }
  expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 1 })
  await pass(made, 2500, take)
  // Nothing is lost by it.
  for (const length of bytes.values()) expect(length).toBeGreaterThan(8 * mib)
  expect(made.fanOut.stats()).toMatchObject({ live: 1, behind: 0, behindBytes: 0 })
  subscriptions.close()
})

test('keys and data are counted, not what encloses them', async () => {
  const made = await makeFanOut(1, { streamMode: 'PROVISIONED', segmentBytes: 8 * mib })
  // 2 bytes of a record are counted, of 6 that it has.
  const keys = Array.from({ length: 100_000 }, () => 'k')
  for (let i = 0; i < 9; i += 1) await made.put(0, keys)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 4 * mib })
  const { bytes, take } = taker(sink, (length) => subscriptions.credit(subscriptionId, length))
  await pass(made, 20, take)
  expect([...bytes.values()][0]).toBeGreaterThan(9 * 6 * keys.length)
  expect(made.fanOut.stats()).toMatchObject({ live: 1, behind: 0, behindBytes: 0 })
  subscriptions.close()
})

test('each subscriber has a pace of its own, and who ends while it waits is gone', async () => {
  const made = await makeFanOut(1, { streamMode: 'PROVISIONED' })
  await fill(made, 0, 5)
  const timersBefore = vi.getTimerCount()
  const opened = await Promise.all(
    [1, 2, 3].map(async () => {
      const { sink, subscriptions } = made.open()
      const { subscriptionId } = await toShard(subscriptions, 0)
      const { bytes, take } = taker(sink, (it) => subscriptions.credit(subscriptionId, it))
      return { subscriptions, bytes, take }
    }),
  )
  await pass(made, 200, () => {
    for (const { take } of opened) take()
  })
  for (const { bytes } of opened) {
    const [length = 0] = bytes.values()
    expect(length).toBeGreaterThanOrEqual(2 * mib)
    expect(length).toBeLessThan(2.7 * mib)
  }
  for (const { subscriptions } of opened) subscriptions.close()
  await pass(made, 2000, () => undefined)
  expect(vi.getTimerCount()).toBe(timersBefore)
})

test('an ON_DEMAND stream has none, and a stream that becomes one has none any more', async () => {
  const made = await makeFanOut(1, { streamMode: 'PROVISIONED' })
  await fill(made, 0, 8)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0)
  const { bytes, take } = taker(sink, (length) => subscriptions.credit(subscriptionId, length))
  await pass(made, 20, take)
  expect([...bytes.values()][0]).toBeLessThan(2.5 * mib)
  await made.streams.settings.setMode('s', 'ON_DEMAND')
  for (let i = 0; i < 10; i += 1) await pass(made, 20, take)
  expect([...bytes.values()][0]).toBeGreaterThan(8 * mib)
  subscriptions.close()
})

test('a pace lets through what a second is worth, and rests until it is worth the while', () => {
  const pace = new Pace()
  expect(pace.waitMillis(0)).toBe(0)
  pace.take(2 * mib, 0)
  expect(pace.waitMillis(0)).toBe(0)
  pace.take(64 * kib, 0)
  expect(pace.waitMillis(0)).toBeCloseTo(131.25)
  expect(pace.waitMillis(31.25)).toBe(0)
  expect(pace.waitMillis(5000)).toBe(0)
  pace.take(11 * mib, 5000)
  expect(pace.waitMillis(5000)).toBe(4600)
})
