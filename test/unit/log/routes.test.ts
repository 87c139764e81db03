import { expect, it } from 'vitest'
import { shardId } from '../../../src/log/log.ts'
import { encodeRoutes } from '../../../src/log/routes.ts'

it('routes are 24 big-endian bytes each, behind the count of them', () => {
  const open = [
    { shard: shardId(1n), endingHashKey: 2n ** 127n - 1n },
    { shard: shardId(2n ** 64n - 2n), endingHashKey: 2n ** 128n - 1n },
  ]
  const zeros = '0'.repeat(15)
  const openHex = `${zeros}27${'f'.repeat(31)}${zeros}1${'f'.repeat(32)}${'f'.repeat(15)}e`
  expect(Buffer.from(encodeRoutes(open)).toString('hex')).toBe(openHex)
  const previous = [[{ shard: shardId(3n), endingHashKey: 2n ** 128n - 1n }]]
  expect(Buffer.from(encodeRoutes(open, previous)).toString('hex')).toBe(
    `${openHex}${zeros}1${'f'.repeat(32)}${zeros}3`,
  )
  expect(() => encodeRoutes([{ shard: shardId(1n), endingHashKey: -1n }])).toThrow(RangeError)
  expect(() => encodeRoutes([], 7 as never)).toThrow(TypeError)
  expect(() => encodeRoutes([], [7] as never)).toThrow(TypeError)
})
