/** The operations of leases, one by one, on a clock that is moved by hand. */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { Consumers } from '../../../src/broker/consumers/consumers.ts'
import { workersPerConsumerMax } from '../../../src/limits.ts'
import {
  acquireLeases,
  listLeases,
  registerStreamConsumer,
  releaseLease,
  renewLeases,
  setCheckpoint,
} from '../../../src/wire/consumer-operations.ts'
import { deleteStream } from '../../../src/wire/operations.ts'
import * as ofStreams from '../stream/harness.ts'
import { failure, makeBroker, makeStream, type TestBroker } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 60_000 })

const streamName = 's'
const of = { streamName, consumerName: 'c' }
const leaseMillis = 10_000
const settlingMillis = Math.ceil(leaseMillis / 3)

interface Group extends TestBroker {
  /** Lets time pass for leases. */
  pass(millis: number): void
}

async function makeGroup(shardCount: number): Promise<Group> {
  let millis = 5e9
  const made = await makeBroker({ elapsed: () => millis })
  await makeStream(made.broker, streamName, shardCount)
  await made.broker.call(registerStreamConsumer, of)
  const pass = (more: number) => {
    millis += more
  }
  return Object.assign(made, { pass })
}

function acquire(broker: Broker, workerId: string, leasesMax?: number) {
  return broker.call(acquireLeases, { ...of, workerId, leaseMillis, leasesMax })
}

/** As one that has been there for a third of a lease. */
async function acquireSettled({ broker, pass }: Group, workerId: string) {
  expect((await acquire(broker, workerId)).acquired).toEqual([])
  pass(settlingMillis)
  return await acquire(broker, workerId)
}

async function ownersOf(broker: Broker): Promise<string[]> {
  const { leases } = await broker.call(listLeases, of)
  return leases.map((it) => `${it.workerId} ${it.leaseCounter} ${it.expiresInMillis}`)
}

test('a worker gets its share, with where to go on, and others theirs', async () => {
  const group = await makeGroup(3)
  const { broker } = group
  await broker.call(setCheckpoint, { ...of, shardId: '1', nextSequenceNumber: 1n })
  const first = await acquire(broker, 'a')
  const number = expect.any(BigInt)
  expect(first).toEqual({
    workerCount: 1,
    acquired: [
      { shardId: 'shardId-000000000000', shardNumber: number, leaseCounter: 1n },
      {
        shardId: 'shardId-000000000001',
        shardNumber: number,
        leaseCounter: 2n,
        nextSequenceNumber: 1n,
      },
      { shardId: 'shardId-000000000002', shardNumber: number, leaseCounter: 3n },
    ],
  })
  expect(await acquire(broker, 'a')).toEqual({ workerCount: 1, acquired: [] })
  const second = await acquireSettled(group, 'b')
  expect(second).toMatchObject({
    workerCount: 2,
    acquired: [{ shardId: 'shardId-000000000002', leaseCounter: 4n }],
  })
  expect(await ownersOf(broker)).toEqual(['a 1 6666', 'a 2 6666', 'b 4 10000'])
})

test('who lost a lease learns it with the next renewal', async () => {
  const group = await makeGroup(2)
  const { broker, pass } = group
  await acquire(broker, 'a')
  pass(4000)
  await acquireSettled(group, 'b')
  const [zero, one] = ['shardId-0', '1']
  const leases = [
    { shardId: zero as string, leaseCounter: 1n },
    { shardId: one as string, leaseCounter: 2n },
    { shardId: '7', leaseCounter: 9n },
  ]
  const renewed = await broker.call(renewLeases, { ...of, workerId: 'a', leases })
  expect(renewed).toEqual({ lost: leases.slice(1) })
  expect(await ownersOf(broker)).toEqual(['a 1 10000', 'b 3 10000'])
  // Another worker's counter renews nothing, nor does a number of the past.
  const stranger = await broker.call(renewLeases, { ...of, workerId: 'x', leases })
  expect(stranger).toEqual({ lost: leases })
  const bad = { ...of, workerId: 'a', leases: [{ shardId: 'x', leaseCounter: 1n }] }
  expect(await failure(broker.call(renewLeases, bad))).toMatchObject({ code: 'SHARD_NOT_FOUND' })
})

test('a lease that expires is its holder’s until another takes it', async () => {
  const { broker, pass } = await makeGroup(1)
  await acquire(broker, 'a')
  pass(leaseMillis - 1)
  expect((await acquire(broker, 'b')).acquired).toEqual([])
  pass(1)
  expect(await ownersOf(broker)).toEqual(['a 1 0'])
  const checkpoint = { ...of, shardId: '0', nextSequenceNumber: 1n, leaseCounter: 1n }
  await broker.call(setCheckpoint, checkpoint)
  const leases = [{ shardId: '0', leaseCounter: 1n }]
  const renew = () => broker.call(renewLeases, { ...of, workerId: 'a', leases })
  expect(await renew()).toEqual({ lost: [] })
  expect(await ownersOf(broker)).toEqual(['a 1 10000'])
  pass(leaseMillis)
  // Nobody has it: whoever is no worker may set the checkpoint.
  await broker.call(setCheckpoint, { ...checkpoint, leaseCounter: undefined })
  expect((await acquire(broker, 'b')).acquired).toMatchObject([{ leaseCounter: 2n }])
  expect(await renew()).toEqual({ lost: leases })
  expect(await failure(broker.call(setCheckpoint, checkpoint))).toMatchObject({
    code: 'LEASE_LOST',
    message:
      'Shard shardId-000000000000 is leased by b: a checkpoint came under lease counter 1; ' +
      'that of the lease is 2.',
  })
})

test('after an open all leases count as just renewed, and counters go on', async () => {
  const made = await makeGroup(2)
  await acquire(made.broker, 'a')
  made.pass(leaseMillis - 1)
  await made.reopen()
  expect(await ownersOf(made.broker)).toEqual(['a 1 10000', 'a 2 10000'])
  // Its holder is a worker, though it has not asked since.
  expect(await acquire(made.broker, 'b')).toMatchObject({ workerCount: 2, acquired: [] })
  made.pass(settlingMillis)
  expect((await acquire(made.broker, 'b')).acquired).toMatchObject([{ leaseCounter: 3n }])
  made.pass(leaseMillis)
  await made.reopen()
  expect(await ownersOf(made.broker)).toEqual(['a 1 10000', 'b 3 10000'])
})

test('a lease that is released is free at once, and its worker not reckoned with', async () => {
  const group = await makeGroup(2)
  const { broker } = group
  await acquire(broker, 'a')
  await acquireSettled(group, 'b')
  const release = (workerId: string, shardId: string, leaseCounter: bigint) =>
    broker.call(releaseLease, { ...of, workerId, shardId, leaseCounter })
  for (const [workerId, shardId, counter] of [
    ['b', '0', 1n],
    ['a', '0', 2n],
    ['a', '1', 2n],
  ] as const) {
    const refused = await failure(release(workerId, shardId, counter))
    expect(refused).toMatchObject({ code: 'LEASE_LOST' })
  }
  await release('a', '0', 1n)
  expect(await failure(release('a', '0', 1n))).toMatchObject({
    code: 'LEASE_LOST',
    message: 'Worker a does not hold lease 1 of shard shardId-000000000000.',
  })
  expect(await ownersOf(broker)).toEqual(['b 3 10000'])
  expect(await acquire(broker, 'b')).toMatchObject({
    workerCount: 1,
    acquired: [{ leaseCounter: 4n }],
  })
})

test('a worker that wants few leaves the rest to others', async () => {
  const { broker, pass } = await makeGroup(4)
  expect((await acquire(broker, 'a', 1)).acquired).toHaveLength(1)
  expect((await acquire(broker, 'a', 1)).acquired).toHaveLength(0)
  expect((await acquire(broker, 'b')).acquired).toHaveLength(3)
  pass(settlingMillis)
  expect((await acquire(broker, 'a', 2)).acquired).toHaveLength(1)
})

test('workers that ask and get nothing count, for as long as they said', async () => {
  const { broker, pass } = await makeGroup(1)
  await acquire(broker, 'a')
  expect(await acquire(broker, 'b')).toMatchObject({ workerCount: 2, acquired: [] })
  pass(leaseMillis - 1)
  const leases = [{ shardId: '0', leaseCounter: 1n }]
  await broker.call(renewLeases, { ...of, workerId: 'a', leases })
  expect((await acquire(broker, 'c')).workerCount).toBe(3)
  pass(1)
  expect((await acquire(broker, 'c')).workerCount).toBe(2)
})

test('leases that are given at the same time all last as long as they should', async () => {
  const { broker, pass } = await makeGroup(6)
  // Leases from before an open count from there on: these must not.
  pass(leaseMillis)
  const names = ['a', 'b', 'c']
  const acquired = await Promise.all(names.map((it) => acquire(broker, it, 2)))
  expect(acquired.map((it) => it.acquired.length)).toEqual([2, 2, 2])
  expect((await ownersOf(broker)).map((it) => it.split(' ')[2])).toEqual(Array(6).fill('10000'))
})

test('a worker is told when the shards of another may be had, and gets them then', async () => {
  const { broker, pass } = await makeGroup(3)
  expect((await acquire(broker, 'a')).askAgainMillis).toBeUndefined()
  // It takes nothing of others yet.
  const early = { workerCount: 2, acquired: [], askAgainMillis: settlingMillis }
  expect(await acquire(broker, 'b')).toEqual(early)
  pass(settlingMillis)
  expect((await acquire(broker, 'b')).acquired).toHaveLength(1)
  pass(500)
  // The leases of `a` are the older ones.
  expect(await acquire(broker, 'b')).toEqual({
    workerCount: 2,
    acquired: [],
    askAgainMillis: leaseMillis - settlingMillis - 500,
  })
  expect((await acquire(broker, 'b', 1)).askAgainMillis).toBeUndefined()
  const leases = [{ shardId: '2', leaseCounter: 4n }]
  await broker.call(renewLeases, { ...of, workerId: 'b', leases })
  pass(leaseMillis - settlingMillis - 500)
  expect(await acquire(broker, 'b')).toMatchObject({
    acquired: [{ shardId: 'shardId-000000000000' }, { shardId: 'shardId-000000000001' }],
  })
})

test('what is left for a worker that has died is another’s after a tenth of a lease', async () => {
  const group = await makeGroup(2)
  const { broker, pass } = group
  await acquire(broker, 'a')
  pass(5000 - settlingMillis)
  await acquireSettled(group, 'late')
  pass(2000)
  // Its lease expires at 15,000, and until 17,000 it counts as a worker.
  await acquire(broker, 'late')
  const leases = [{ shardId: '0', leaseCounter: 1n }]
  await broker.call(renewLeases, { ...of, workerId: 'a', leases })
  pass(8000)
  const left = { acquired: [], workerCount: 2 }
  expect(await acquire(broker, 'a')).toEqual({ ...left, askAgainMillis: leaseMillis / 10 })
  pass(leaseMillis / 10 - 1)
  expect(await acquire(broker, 'a')).toEqual({ ...left, askAgainMillis: 1 })
  pass(1)
  expect(await acquire(broker, 'a')).toMatchObject({
    acquired: [{ shardId: 'shardId-000000000001' }],
    workerCount: 2,
  })
})

test('a worker that counts a moment longer than its leases keeps no shard back', async () => {
  const { broker, pass } = await makeGroup(2)
  await acquire(broker, 'a')
  // The workers renew, and ask a moment later.
  pass(5)
  const other = { workerCount: 2, acquired: [] }
  expect(await acquire(broker, 'b')).toMatchObject(other)
  await acquire(broker, 'a')
  pass(leaseMillis - 5)
  expect((await acquire(broker, 'b')).acquired).toHaveLength(1)
  expect(await acquire(broker, 'b')).toEqual({ ...other, askAgainMillis: 5 })
  pass(5)
  expect(await acquire(broker, 'b')).toMatchObject({
    acquired: [{ shardId: 'shardId-000000000001' }],
    workerCount: 1,
  })
})

test('a flood of workers is bounded, and those that are there are not hurt', async () => {
  const { broker, pass } = await makeGroup(1)
  const names = Array.from({ length: workersPerConsumerMax }, (_, i) => `worker-${i}`)
  await Promise.all(names.map((it) => acquire(broker, it)))
  expect(await failure(acquire(broker, 'late'))).toMatchObject({
    code: 'LIMIT_EXCEEDED',
    retryAfterMs: leaseMillis,
  })
  expect((await acquire(broker, 'worker-7')).workerCount).toBe(workersPerConsumerMax)
  pass(leaseMillis)
  expect((await acquire(broker, 'late')).workerCount).toBe(1)
})

test('leases of what is not there', async () => {
  const { broker } = await makeGroup(1)
  const other = { ...of, consumerName: 'd' }
  const codes: unknown[] = []
  for (const call of [
    broker.call(acquireLeases, { ...other, workerId: 'a', leaseMillis }),
    broker.call(renewLeases, { ...other, workerId: 'a', leases: [] }),
    broker.call(releaseLease, { ...other, workerId: 'a', shardId: '0', leaseCounter: 1n }),
    broker.call(listLeases, other),
  ]) {
    codes.push((await failure(call)).code)
  }
  expect(new Set(codes)).toEqual(new Set(['CONSUMER_NOT_FOUND']))
  await broker.call(deleteStream, { streamName, enforceConsumerDeletion: true })
  expect(await failure(acquire(broker, 'a'))).toMatchObject({ code: 'STREAM_NOT_FOUND' })
})

test('subscriptions hear who may subscribe, of leases, and of the end of a consumer', async () => {
  const { streams, close } = await ofStreams.openStreams(ofStreams.temporaryDirectory())
  await streams.create({ streamName, shardCount: 1 })
  await ofStreams.untilQuiet(streams)
  let millis = 0
  const consumers = new Consumers(streams, () => millis)
  const stream = streams.require(streamName)
  const refused = () => consumers.checkSubscriber(streamName, 'c')
  expect(refused).toThrow(expect.objectContaining({ code: 'CONSUMER_NOT_FOUND' }))
  const consumer = await consumers.stored.register(stream, 'c', [])
  consumers.checkSubscriber(streamName, 'c')

  expect(consumers.currentLease(stream.number, 'c', 0)).toBeUndefined()
  expect(consumers.currentLease(stream.number, 'd', 0)).toBeUndefined()
  await consumers.leases.acquire(consumer, { workerId: 'a', leaseMillis })
  const lease = { workerId: 'a', counter: 1n, isExpired: false }
  expect(consumers.currentLease(stream.number, 'c', 0)).toEqual(lease)
  millis += leaseMillis
  expect(consumers.currentLease(stream.number, 'c', 0)).toEqual({ ...lease, isExpired: true })

  const told: unknown[] = []
  const stop = consumers.onDeregistered((...of) => told.push(of))
  await consumers.deregister(streamName, 'c')
  expect(told).toEqual([[stream.number, 'c']])
  stop()
  await consumers.stored.register(stream, 'c', [])
  await consumers.deregister(streamName, 'c')
  expect(told).toHaveLength(1)
  await close()
})
