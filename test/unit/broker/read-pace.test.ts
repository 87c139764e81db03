import { expect, test } from 'vitest'
import { ReadPace } from '../../../src/broker/read-pace.ts'
import { getRecordsBytesMax } from '../../../src/limits.ts'
import { shardId } from '../../../src/log/log.ts'

const [one, two] = [shardId(1n), shardId(2n)]

test('as many bytes as the records of the shard have taken, and some more, within bounds', () => {
  const pace = new ReadPace()
  expect(pace.bytesFor(one, 1)).toBe(64 * 1024)
  expect(pace.bytesFor(one, 1000)).toBe(1000 * 2048 * 1.25)
  expect(pace.bytesFor(one, 10_000)).toBe(getRecordsBytesMax)
  pace.learn(one, 100_000, 1000)
  expect(pace.bytesFor(one, 10_000)).toBe(10_000 * 100 * 1.25)
  pace.learn(one, 0, 0)
  expect(pace.bytesFor(one, 10_000)).toBe(10_000 * 100 * 1.25)
  expect(pace.bytesFor(two, 1000)).toBe(1000 * 2048 * 1.25)
})
