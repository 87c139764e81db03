/** Registered consumers: their names, their stream, their end. */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { consumersPerStreamMax, nextTokenMillisMax } from '../../../src/limits.ts'
import {
  acquireLeases,
  deregisterStreamConsumer,
  describeStreamConsumer,
  getCheckpoints,
  listLeases,
  listStreamConsumers,
  registerStreamConsumer,
  setCheckpoint,
} from '../../../src/wire/consumer-operations.ts'
import { createStream, deleteStream } from '../../../src/wire/operations.ts'
import { failure, makeBroker, makeStream, put, textRecord, untilGone } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'

function register(broker: Broker, consumerName: string, tags?: { key: string; value: string }[]) {
  return broker.call(registerStreamConsumer, { streamName, consumerName, tags })
}

async function namesOf(broker: Broker): Promise<string[]> {
  const { consumers } = await broker.call(listStreamConsumers, { streamName })
  return consumers.map((it) => it.consumerName)
}

test('a consumer is ACTIVE when its registration answers, and there after an open', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  const answer = await register(made.broker, 'billing', [{ key: 'team', value: 'a' }])
  expect(answer).toEqual({
    consumerName: 'billing',
    consumerStatus: 'ACTIVE',
    consumerCreationTimestamp: made.clock.millis,
  })
  await made.reopen()
  const request = { streamName, consumerName: 'billing' }
  expect(await made.broker.call(describeStreamConsumer, request)).toEqual({
    ...answer,
    tags: [{ key: 'team', value: 'a' }],
  })
})

test('names are of one stream, and unique there', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  await makeStream(broker, 't')
  await register(broker, 'billing')
  expect(await failure(register(broker, 'billing'))).toMatchObject({
    code: 'CONSUMER_EXISTS',
    message: 'Consumer billing of stream s already exists.',
  })
  await broker.call(registerStreamConsumer, { streamName: 't', consumerName: 'billing' })
  const other = { streamName: 't', consumerName: 'audit' }
  expect(await failure(broker.call(describeStreamConsumer, other))).toMatchObject({
    code: 'CONSUMER_NOT_FOUND',
    message: 'Consumer audit of stream t not found.',
  })
})

test('a stream has at most 20, also of those that come at once', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const names = Array.from({ length: consumersPerStreamMax + 3 }, (_, i) => `c${i}`)
  const results = await Promise.allSettled(names.map((it) => register(broker, it)))
  const refused = results.filter((it) => it.status === 'rejected')
  expect(refused).toHaveLength(3)
  expect(refused[0]?.reason).toMatchObject({ code: 'LIMIT_EXCEEDED' })
  expect(await namesOf(broker)).toHaveLength(consumersPerStreamMax)
  // One that goes makes room for another.
  await broker.call(deregisterStreamConsumer, { streamName, consumerName: 'c3' })
  await register(broker, 'new')
})

test('a stream that is not there, or not yet, has none', async () => {
  const { broker } = await makeBroker()
  expect(await failure(register(broker, 'c'))).toMatchObject({ code: 'STREAM_NOT_FOUND' })
  const list = broker.call(listStreamConsumers, { streamName })
  expect(await failure(list)).toMatchObject({ code: 'STREAM_NOT_FOUND' })
  await broker.call(createStream, { streamName, shardCount: 1 })
  expect(await failure(register(broker, 'c'))).toMatchObject({ code: 'STREAM_IN_USE' })
})

test('tags that cannot be are refused, and nothing is registered', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const bad = register(broker, 'c', [{ key: 'aws:x', value: '' }])
  expect(await failure(bad)).toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(await namesOf(broker)).toEqual([])
})

test('a listing is by name, in pages, of one stream', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName)
  for (const name of ['b', 'd', 'a', 'c']) await register(broker, name)
  expect(await namesOf(broker)).toEqual(['a', 'b', 'c', 'd'])
  const first = await broker.call(listStreamConsumers, { streamName, maxResults: 3 })
  expect(first.consumers.map((it) => it.consumerName)).toEqual(['a', 'b', 'c'])
  const { nextToken } = first
  const second = await broker.call(listStreamConsumers, { nextToken })
  expect(second.consumers.map((it) => it.consumerName)).toEqual(['d'])
  expect(second.nextToken).toBeUndefined()
  const refused = [
    [{}, 'INVALID_ARGUMENT'],
    [{ nextToken, streamName }, 'INVALID_ARGUMENT'],
    [{ nextToken, streamCreationTimestamp: 1 }, 'INVALID_ARGUMENT'],
    [{ nextToken: 'x' }, 'INVALID_ARGUMENT'],
    [{ streamName, streamCreationTimestamp: 1 }, 'STREAM_NOT_FOUND'],
  ] as const
  for (const [request, code] of refused) {
    expect(await failure(broker.call(listStreamConsumers, request))).toMatchObject({ code })
  }
  clock.millis += nextTokenMillisMax + 1
  const late = broker.call(listStreamConsumers, { nextToken })
  expect(await failure(late)).toMatchObject({ code: 'NEXT_TOKEN_EXPIRED' })
})

test('a stream with consumers is deleted with them, or not at all', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  for (let i = 0; i < 7; i += 1) await register(broker, `c${i}`)
  expect(await failure(broker.call(deleteStream, { streamName }))).toMatchObject({
    code: 'STREAM_IN_USE',
    message: expect.stringContaining('has consumers: c0, c1, c2, c3, c4 and 2 more.'),
  })
  // It was not touched: it takes records and registrations.
  await put(broker, { streamName }, textRecord('k', 'v'))
  await register(broker, 'late')
  await broker.call(deleteStream, { streamName, enforceConsumerDeletion: true })
  await untilGone(broker, streamName)
  await makeStream(broker, streamName)
  expect(await namesOf(broker)).toEqual([])
  await broker.call(deleteStream, { streamName })
})

test('registered while its stream is deleted, a consumer keeps it, or is not there', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const [registered, deleted] = await Promise.allSettled([
    register(broker, 'c'),
    broker.call(deleteStream, { streamName }),
  ])
  const both = [registered.status, deleted.status].sort()
  expect(both).toEqual(['fulfilled', 'rejected'])
  if (registered.status === 'fulfilled') expect(await namesOf(broker)).toEqual(['c'])
})

test('with a consumer its checkpoints and leases end, and a new one begins without', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  const of = { streamName, consumerName: 'c' }
  await register(made.broker, 'c')
  const worker = { ...of, workerId: 'w', leaseMillis: 60_000 }
  const [lease] = (await made.broker.call(acquireLeases, worker)).acquired
  const leaseCounter = lease?.leaseCounter
  const checkpoint = { ...of, shardId: '0', nextSequenceNumber: 1n, leaseCounter }
  await made.broker.call(setCheckpoint, checkpoint)
  await made.broker.call(deregisterStreamConsumer, of)
  for (const operation of [describeStreamConsumer, deregisterStreamConsumer, getCheckpoints]) {
    const gone = made.broker.call(operation as typeof getCheckpoints, of)
    expect(await failure(gone)).toMatchObject({ code: 'CONSUMER_NOT_FOUND' })
  }
  await made.reopen()
  await register(made.broker, 'c')
  expect(await made.broker.call(getCheckpoints, of)).toEqual({ checkpoints: [] })
  expect(await made.broker.call(listLeases, of)).toEqual({ leases: [] })
  // Whoever worked for the earlier one is fenced off: its counter does not come again.
  const [next] = (await made.broker.call(acquireLeases, worker)).acquired
  expect(next?.leaseCounter).toBeGreaterThan(leaseCounter ?? 0n)
  const stale = made.broker.call(setCheckpoint, checkpoint)
  expect(await failure(stale)).toMatchObject({ code: 'LEASE_LOST' })
})
