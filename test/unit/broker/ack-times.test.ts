/** How long puts wait for their acknowledgements. */

import { expect, test } from 'vitest'
import { AckTimes, ackBoundsSeconds, bucketOf } from '../../../src/broker/ack-times.ts'
import { putRecords } from '../../../src/wire/operations.ts'
import { encodePutRecords } from '../../../src/wire/put-builder.ts'
import { failure, makeBroker, makeStream, put, putSealed, sendPut, textRecord } from './harness.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('a time is in the first bucket whose bound is not below it', () => {
  expect(ackBoundsSeconds.slice(0, 3)).toEqual([0.000064, 0.000128, 0.000256])
  expect(ackBoundsSeconds.at(-1)).toBe(8.388608)
  const boundsMicros = [...ackBoundsSeconds, Number.POSITIVE_INFINITY].map((it) => it * 1e6)
  for (const bound of boundsMicros.slice(0, -1)) {
    for (const micros of [bound - 1, bound, bound + 1]) {
      const expected = boundsMicros.findIndex((it) => micros <= it)
      expect([micros, bucketOf(micros)]).toEqual([micros, expected])
    }
  }
  expect([0, 1, 2 ** 31 - 1].map(bucketOf)).toEqual([0, 0, ackBoundsSeconds.length])
})

test('are read off the clock once in a turn, also where its 32 bits come round', async () => {
  // In microseconds: just before 2^32.
  let millis = 2 ** 32 / 1000 - 0.05
  let readings = 0
  const times = new AckTimes(() => {
    readings += 1
    return millis
  })
  const begun = [times.begin(), times.begin()]
  millis += 0.1
  times.end(begun[0] ?? 0, 'disk')
  expect(readings).toBe(1)
  await turn()
  times.end(begun[1] ?? 0, 'disk')
  millis += 1000
  await turn()
  times.end(begun[1] ?? 0, 'os')
  expect(readings).toBe(3)
  const [disk, os] = times.all()
  expect(disk).toMatchObject({ durability: 'disk', sumSeconds: 0.0001 })
  expect(disk?.counts.slice(0, 3)).toEqual([1, 1, 0])
  expect(os?.sumSeconds).toBe(1.0001)
  expect(os?.counts.indexOf(1)).toBe(14)
})

test('are those of puts of all kinds that were acknowledged, by what that means', async () => {
  let millis = 0
  const { broker } = await makeBroker({ elapsed: () => millis++ })
  await makeStream(broker, 's')
  const disk = { streamName: 's' }
  const os = { ...disk, durability: 'os' } as const
  const record = textRecord('k', 'x')
  await put(broker, os, record)
  await put(broker, disk, record)
  await sendPut(broker, putRecords, encodePutRecords(1, disk, [record, record]))
  const batch = { shardIndex: 0, count: 1, records: new Uint8Array([0x92, 0xa1, 0x6b, 0xc4, 0]) }
  await putSealed(broker, disk, batch)
  await failure(putSealed(broker, disk, { ...batch, shardIndex: 5 }))
  await failure(put(broker, { streamName: 'none' }, record))
  const counts = (await broker.stats()).acks.map((it) => it.counts.reduce((a, b) => a + b))
  expect(counts).toEqual([3, 1])
})
