import { expect, it } from 'vitest'
import { shardId } from '../../../src/log/log.ts'
import { encodeRoutes } from '../../../src/log/routes.ts'

it('routes are 24 big-endian bytes each', () => {
  const table = encodeRoutes([
    { shard: shardId(1n), endingHashKey: 2n ** 127n - 1n },
    { shard: shardId(2n ** 64n - 2n), endingHashKey: 2n ** 128n - 1n },
  ])
  expect(Buffer.from(table).toString('hex')).toBe(
    `7${'f'.repeat(31)}${'0'.repeat(15)}1${'f'.repeat(32)}${'f'.repeat(15)}e`,
  )
  expect(() => encodeRoutes([{ shard: shardId(1n), endingHashKey: -1n }])).toThrow(RangeError)
})
