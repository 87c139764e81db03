import { expect, test } from 'vitest'
import { ProgressFrames } from '../../../../src/broker/fan-out/progress-frames.ts'
import { decodePush, heartbeat } from '../../../../src/wire/pushes.ts'

const progress = (
  subscriptionId: number,
  ...rows: readonly (readonly [number, number, number])[]
) => ({
  subscriptionId,
  shards: rows.map(([number, next, millisBehindLatest]) => ({
    shardNumber: BigInt(number),
    nextSequenceNumber: BigInt(next),
    millisBehindLatest,
  })),
})

test('the same progress is packed once', () => {
  const frames = new ProgressFrames()
  const frame = frames.of(progress(1, [7, 5, 0], [8, 2, 10]))
  expect(frames.of(progress(1, [7, 5, 0], [8, 2, 10]))).toBe(frame)
})

test.each([
  ['subscription', progress(2, [7, 5, 0], [8, 2, 10])],
  ['shard', progress(1, [7, 5, 0], [9, 2, 10])],
  ['next record', progress(1, [7, 5, 0], [8, 3, 10])],
  ['time behind', progress(1, [7, 5, 0], [8, 2, 11])],
  ['shard more', progress(1, [7, 5, 0], [8, 2, 10], [9, 1, 0])],
  ['shard less', progress(1, [7, 5, 0])],
  ['shards, of which there are none', progress(1)],
])('another %s is another frame', (_, other) => {
  const frames = new ProgressFrames()
  const first = progress(1, [7, 5, 0], [8, 2, 10])
  expect(decodePush(heartbeat, frames.of(first))).toEqual(first)
  expect(decodePush(heartbeat, frames.of(other))).toEqual(other)
  expect(decodePush(heartbeat, frames.of(first))).toEqual(first)
})
