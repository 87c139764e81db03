/** A reader goes on with the children of shards that are split and merged. */

import { beforeEach, expect, test } from 'vitest'
import type { FakeClock } from '../../support/fake-clock.ts'
import type { ModelStream } from '../../support/model-stream.ts'
import { Reading } from './reader-harness.ts'

let reading: Reading
let clock: FakeClock
let stream: ModelStream

beforeEach(() => {
  reading = new Reading(2)
  clock = reading.clock
  stream = reading.stream
})

test('children follow when all of their parents are read', async () => {
  stream.put(0, 'a1', 'a2', 'a3', 'a4')
  stream.put(1, 'b1')
  stream.reshard([0, 1], 1)
  stream.put(2, 'c1')
  const texts = await reading.take(reading.read({ from: 'oldest' }), 6)
  expect(texts.at(-1)).toBe('c1')
})

test('a child is read once, also when one of its parents hears of it late', async () => {
  stream.put(0, 'a')
  stream.put(1, 'b')
  stream.reshard([0, 1], 1)
  stream.put(2, 'c')
  stream.reshard([2], 2)
  stream.put(3, 'd')
  const { verbs } = stream
  const list = verbs.listShards.bind(verbs)
  let lists = 0
  verbs.listShards = async (name, request, options) => {
    if (request?.nextToken === undefined) lists += 1
    // Both parents have ended when the first of them hears of the child.
    const millis = [0, 0, 100, 20_000][lists] ?? 0
    if (millis > 0) await new Promise<void>((resolve) => clock.after(millis, resolve))
    return await list(name, request, options)
  }
  const reader = reading.read({ from: 'oldest' })
  expect((await reading.take(reader, 4)).sort()).toEqual(['a', 'b', 'c', 'd'])
  await clock.advance(60_000)
  stream.put(3, 'e')
  expect(await reading.take(reader, 1)).toEqual(['e'])
})

test('children that a list does not have yet are waited for', async () => {
  stream.reshard([0], 2)
  stream.hidden.add(3)
  stream.put(3, 'late')
  const reader = reading.read({ from: 'oldest' })
  await clock.advance(1000)
  stream.hidden.clear()
  expect(await reading.take(reader, 1)).toEqual(['late'])
})

test('a child waits for a parent that has not been begun itself', async () => {
  // 0 is split into 2 and 3, and 3 is merged with 1, which is soon read.
  stream.put(0, ...Array.from({ length: 50 }, (_, i) => `a${i}`))
  stream.put(1, 'b')
  stream.reshard([0], 2)
  stream.put(3, 'c')
  stream.reshard([3, 1], 1)
  stream.put(4, 'd')
  const texts = await reading.take(reading.read({ from: 'oldest', batchRecordsMax: 5 }), 53)
  expect(texts.slice(-2)).toEqual(['c', 'd'])
  expect(new Set(texts).size).toBe(53)
})
