/** Credit, slow sinks, and fairness: who may send, and how much. */

import { expect, test, vi } from 'vitest'
import { Credit } from '../../../../src/broker/fan-out/credit.ts'
import { connectionCreditBytesMax } from '../../../../src/limits.ts'
import {
  type FakeSink,
  leave,
  makeFanOut,
  type TestFanOut,
  toShard,
  toStream,
  turns,
  until,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

/** Bytes of a batch of one record with a key of one letter and so much data. */
const batchBytes = (dataBytes: number) => 76 + 3 + (dataBytes < 256 ? 2 : 3) + dataBytes

function bytesOf(sink: FakeSink): number[] {
  return sink.take().flatMap((it) => (it.kind === 'slice' ? [it.bytes ?? 0] : []))
}

async function putMany(made: TestFanOut, index: number, count: number, dataBytes: number) {
  for (let i = 0; i < count; i += 1) await made.put(index, ['k'], dataBytes)
}

test('a bound: within what is left, or alone', () => {
  const credit = new Credit(100)
  expect([credit.left, credit.allows(100), credit.allows(101)]).toEqual([100, true, true])
  credit.take(60)
  expect([credit.left, credit.allows(40), credit.allows(41)]).toEqual([40, true, false])
  credit.take(100)
  expect([credit.left, credit.allows(1)]).toEqual([-60, false])
  expect(credit.giveBack(161)).toBe(false)
  expect(credit.out).toBe(160)
  expect(credit.giveBack(160)).toBe(true)
  expect(credit.out).toBe(0)
})

test('a slice is cut to the credit, and nothing is sent beyond it', async () => {
  const made = await makeFanOut()
  await putMany(made, 0, 20, 100)
  const one = batchBytes(100)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 3 * one + 50 })
  await turns()
  expect(bytesOf(sink)).toEqual([3 * one])
  expect(made.fanOut.stats()).toMatchObject({ waiting: 1, creditOutBytes: 3 * one })
  subscriptions.credit(subscriptionId, one - 51)
  await turns()
  expect(bytesOf(sink)).toEqual([])
  subscriptions.credit(subscriptionId, 1)
  await turns()
  expect(bytesOf(sink)).toEqual([one])
  subscriptions.credit(subscriptionId, 3 * one)
  await turns()
  expect(bytesOf(sink)).toEqual([3 * one])
})

test('a batch larger than all of the credit goes alone, when nothing is on its way', async () => {
  const made = await makeFanOut()
  await putMany(made, 0, 1, 100)
  await putMany(made, 0, 1, 5000)
  await putMany(made, 0, 2, 100)
  const [small, large] = [batchBytes(100), batchBytes(5000)]
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes: 1000 })
  await turns()
  expect(bytesOf(sink)).toEqual([small])
  subscriptions.credit(subscriptionId, small - 1)
  await turns()
  expect(bytesOf(sink)).toEqual([])
  subscriptions.credit(subscriptionId, 1)
  await turns()
  expect(bytesOf(sink)).toEqual([large])
  // Not before it has come back as a whole, up to what is left.
  subscriptions.credit(subscriptionId, large - 1000)
  await turns()
  expect(bytesOf(sink)).toEqual([])
  subscriptions.credit(subscriptionId, 1000)
  await turns()
  expect(bytesOf(sink)).toEqual([2 * small])
})

test('all shards of a stream have one credit, and take turns', async () => {
  const made = await makeFanOut(3)
  for (let index = 0; index < 3; index += 1) await putMany(made, index, 100, 2000)
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions, { creditBytes: 200_000 })
  await turns()
  const told = sink.take()
  const shards = told.map((it) => it.shardNumber)
  expect(new Set(shards.slice(0, 3)).size).toBe(3)
  const sum = told.reduce((bytes, it) => bytes + (it.bytes ?? 0), 0)
  expect(sum).toBeLessThanOrEqual(200_000)
  expect(sum).toBeGreaterThan(190_000)
  subscriptions.credit(subscriptionId, sum)
  await turns()
  expect(bytesOf(sink).length).toBeGreaterThan(2)
})

test('more credit than was used up ends the subscription, and no other', async () => {
  const made = await makeFanOut(2)
  await putMany(made, 0, 1, 100)
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0)
  await toShard(subscriptions, 1)
  await turns()
  sink.take()
  const one = batchBytes(100)
  subscriptions.credit(99, 1)
  subscriptions.credit(1, batchBytes(100) + 1)
  await turns()
  expect(sink.take()).toEqual([
    {
      kind: 'SubscriptionEnded',
      subscriptionId: 1,
      code: 'INVALID_ARGUMENT',
      message: `credit: ${one + 1} bytes came back, ${one} were on their way`,
    },
  ])
  // It may have been on its way when the subscription ended.
  subscriptions.credit(1, 5)
  await putMany(made, 1, 1, 100)
  await until(() => sink.told.length > 0)
  expect(bytesOf(sink)).toEqual([batchBytes(100)])
})

test('the subscriptions of a connection have 1 MiB on their way', async () => {
  const made = await makeFanOut(6)
  for (let index = 0; index < 6; index += 1) await putMany(made, index, 150, 2000)
  const { sink, subscriptions } = made.open()
  for (let index = 0; index < 6; index += 1) await toShard(subscriptions, index)
  await turns(30)
  const slices = sink.take().filter((it) => it.kind === 'slice')
  const sums = new Map<unknown, number>()
  for (const { shardNumber, bytes = 0 } of slices) {
    sums.set(shardNumber, (sums.get(shardNumber) ?? 0) + bytes)
  }
  const total = [...sums.values()].reduce((a, b) => a + b)
  expect(total).toBeLessThanOrEqual(connectionCreditBytesMax)
  expect(total).toBeGreaterThan(connectionCreditBytesMax - 66_000)
  expect(sums.size).toBe(6)
  expect(made.fanOut.stats().creditOutBytes).toBe(total)
  // What one that leaves had on its way is free for the others.
  await leave(subscriptions, 1)
  await turns(30)
  expect(bytesOf(sink).length).toBeGreaterThan(1)
  subscriptions.close()
  expect(made.fanOut.stats()).toMatchObject({ creditOutBytes: 0, behind: 0, waiting: 0 })
})

test('a large batch of one subscription is not starved by the small ones of another', async () => {
  const made = await makeFanOut(2)
  await made.put(0, ['k'], 900_000)
  await made.put(0, ['k'], 900_000)
  await putMany(made, 1, 600, 2000)
  const { sink, subscriptions } = made.open()
  await toShard(subscriptions, 0, { creditBytes: 1024 * 1024 })
  await toShard(subscriptions, 1, { creditBytes: 1024 * 1024 })
  const seen: number[] = []
  const out = new Map([
    [1, 0],
    [2, 0],
  ])
  const numbers: bigint[] = [made.shard(0).number, made.shard(1).number]
  await until(() => {
    for (const it of sink.take()) {
      if (it.kind !== 'slice') continue
      const id = numbers.indexOf(it.shardNumber ?? 0n) + 1
      seen.push(id)
      out.set(id, (out.get(id) ?? 0) + (it.bytes ?? 0))
    }
    // The small ones come back one by one, and the large one as a whole.
    for (const [id, bytes] of out) {
      const back = id === 1 ? bytes : Math.min(bytes, 60_000)
      if (back > 0) subscriptions.credit(id, back)
      out.set(id, bytes - back)
    }
    return seen.filter((id) => id === 1).length === 2
  })
  expect(seen.filter((id) => id === 2).length).toBeLessThan(25)
})

test('a sink that is slow gets no slices until it has drained', async () => {
  const made = await makeFanOut()
  await putMany(made, 0, 100, 2000)
  const { sink, subscriptions } = made.open()
  sink.isReading = false
  await toShard(subscriptions, 0, { creditBytes: 1024 * 1024 })
  const fast = made.open()
  await toShard(fast.subscriptions, 0)
  await turns(20)
  expect(bytesOf(sink)).toHaveLength(1)
  expect(bytesOf(fast.sink).length).toBeGreaterThan(3)
  // Some of it has left, and some has not.
  sink.waiting = 1
  subscriptions.drained()
  await turns()
  expect(bytesOf(sink)).toHaveLength(0)
  sink.waiting = 0
  subscriptions.drained()
  await turns()
  expect(bytesOf(sink)).toHaveLength(1)
  sink.waiting = 0
  sink.isReading = true
  subscriptions.drained()
  await turns()
  expect(bytesOf(sink).length).toBeGreaterThan(1)
})

test('a firehose does not hold up the others', async () => {
  const made = await makeFanOut(2)
  await putMany(made, 0, 400, 2000)
  const firehoses = Array.from({ length: 10 }, () => made.open())
  const order: string[] = []
  for (const { sink, subscriptions } of firehoses) {
    sink.onPush = () => order.push('firehose')
    await toShard(subscriptions, 0, { creditBytes: 1024 * 1024 })
  }
  const small = made.open()
  small.sink.onPush = () => order.push('small')
  await toShard(small.subscriptions, 1)
  await putMany(made, 1, 1, 100)
  await turns(100)
  // At most one quantum of each of the others comes before.
  expect(order.indexOf('small')).toBeGreaterThanOrEqual(0)
  expect(order.indexOf('small')).toBeLessThanOrEqual(2 * 10)
})
