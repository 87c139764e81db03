import fc from 'fast-check'
import { expect, test } from 'vitest'
import { uniformHashRanges } from '../../../src/stream/hash-ranges.ts'

test('the boundaries that Kinesis has', () => {
  const ends = (count: number) => uniformHashRanges(count).map((it) => it.endingHashKey)
  const top = 340282366920938463463374607431768211455n
  expect(ends(1)).toEqual([top])
  expect(ends(2)).toEqual([170141183460469231731687303715884105727n, top])
  expect(ends(3)).toEqual([
    113427455640312821154458202477256070484n,
    226854911280625642308916404954512140969n,
    top,
  ])
  expect(ends(5)).toEqual([
    68056473384187692692674921486353642290n,
    136112946768375385385349842972707284581n,
    204169420152563078078024764459060926872n,
    272225893536750770770699685945414569163n,
    top,
  ])
})

test('any number of ranges tiles the hash space, and all but the last are as wide', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), (count) => {
      const ranges = uniformHashRanges(count)
      const width = 2n ** 128n / BigInt(count)
      const widths = ranges.map((it) => it.endingHashKey - it.startingHashKey + 1n)
      const gaps = ranges.filter(
        (it, i) => it.startingHashKey !== (ranges[i - 1]?.endingHashKey ?? -1n) + 1n,
      )
      expect(gaps).toEqual([])
      expect(widths.slice(0, -1).every((it) => it === width)).toBe(true)
      expect(ranges.at(-1)?.endingHashKey).toBe(2n ** 128n - 1n)
    }),
    { numRuns: 20 },
  )
})
