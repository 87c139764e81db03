import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseShardId, shardIdText } from '../../../src/wire/shard-id-text.ts'

it('the text of an index leads back to it', () => {
  expect(shardIdText(7)).toBe('shardId-000000000007')
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 31 - 1 }), (index) => {
      expect(parseShardId(shardIdText(index))).toBe(index)
      expect(parseShardId(String(index))).toBe(index)
    }),
  )
})

it('is taken leniently, and refused where it names no index', () => {
  for (const text of ['shardId-7', 'foo-7', '7', '-7', 'shardId-0000000000000000000007']) {
    expect(parseShardId(text), text).toBe(7)
  }
  expect(parseShardId('shardId-2147483647')).toBe(2 ** 31 - 1)
  for (const text of [
    '',
    'shardId-',
    'shardId',
    'shardId--7',
    'shardId-7-7',
    'shardId-2147483648',
    'shardId-0x7',
    'shardId-1e3',
    'shardId- 7',
    'shardId-٧',
    `shardId-${'0'.repeat(200)}7`,
    'constructor',
  ]) {
    expect(parseShardId(text), text).toBe(undefined)
  }
})
