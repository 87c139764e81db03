/** Subscriptions in shards that expire: they hear of what is gone, and go on with the children. */

import { expect, test } from 'vitest'
import { makeFanOut, type Told, toStream, turns } from './harness.ts'

const day = 24 * 3_600_000

function kinds(told: readonly Told[]): unknown[] {
  return told.map((it) => it.texts ?? [it.kind, it['reason'] ?? it['shardNumber']])
}

test('Kinesis 20: a subscription below the horizon goes on at it, then with children', async () => {
  const made = await makeFanOut()
  const parent = made.shard(0)
  for (let i = 0; i < 20; i += 1) await made.put(0, [`${i}`], 1000)
  const { sink, subscriptions } = made.open()
  // It gets the first records and returns no credit.
  const { subscriptionId } = await toStream(subscriptions, { creditBytes: 3000 })
  await turns()
  const before = sink.take()
  expect(before.map((it) => it.texts)).toEqual([['0', '1']])
  await made.split(0)
  await made.put(1, ['left'])
  await made.put(2, ['right'])
  made.clock.millis += day + 60_000
  await made.put(1, ['young'])
  await made.streams.retention.sweep()
  await turns()
  // It is in the shard, so the shard stays, empty.
  expect(made.streams.require('s').shards.has(0)).toBe(true)
  subscriptions.credit(subscriptionId, before[0]?.bytes ?? 0)
  await turns(20)
  const told = sink.take()
  expect(told[0]).toMatchObject({
    kind: 'Gap',
    shardNumber: parent.number,
    reason: 'TRIMMED',
    startSequenceNumber: 3n,
    endSequenceNumber: 21n,
  })
  expect(told[1]).toMatchObject({ kind: 'ShardEnded', shardNumber: parent.number })
  const rest = kinds(told.slice(2)).flat()
  // The log stamps with the time of the machine: what the test calls young is as old as the rest.
  expect(rest.filter((it) => it === 'ShardStarted')).toHaveLength(2)
  await made.streams.retention.sweep()
  expect([...made.streams.require('s').shards.keys()]).toEqual([1, 2])
  expect(await made.log.listShards()).not.toContain(parent.number)
  await made.put(1, ['next'])
  await turns(20)
  expect(sink.takeTexts()).toContain('next')
  subscriptions.close()
})

test('a stream is resumed behind a shard that has expired: a gap says so', async () => {
  const made = await makeFanOut()
  const parent = made.shard(0)
  await made.put(0, ['a', 'b'])
  await made.split(0)
  made.clock.millis += day + 60_000
  await made.streams.retention.sweep()
  await made.put(1, ['x'])
  const { sink, subscriptions } = made.open()
  await toStream(subscriptions, {
    resume: [{ shardNumber: parent.number, nextSequenceNumber: 2n }],
  })
  await turns(20)
  const told = sink.take()
  expect(told[0]).toMatchObject({ kind: 'Gap', reason: 'SHARD_GONE', startSequenceNumber: 2n })
  expect(told.flatMap((it) => it.texts ?? [])).toEqual(['x'])
  subscriptions.close()
})
