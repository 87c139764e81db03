import { expect, test } from 'vitest'
import { centreOf, type LoadPoint } from '../../../../src/stream/scaling/centre.ts'

const range = { startingHashKey: 1000n, endingHashKey: 2999n }

function points(...groups: readonly (readonly [key: number, count: number])[]): LoadPoint[] {
  return groups.flatMap(([key, count]) =>
    Array.from({ length: count }, () => ({ hashKey: BigInt(key), weight: 1 })),
  )
}

const spread = (from: number, to: number, count: number) =>
  points(...Array.from({ length: count }, (_, i) => [from + ((to - from) * i) / count, 1] as const))

test.each<[string, readonly LoadPoint[], [bigint, number] | undefined]>([
  ['the middle for keys all over the range', spread(1000, 3000, 100), [2000n, 0.01]],
  ['the middle where it is nearly as good', spread(1000, 2800, 100), [2000n, 0.01]],
  ['between the halves of the load', spread(1000, 1400, 100), [1198n, 0.01]],
  ['between two keys', points([1100, 30], [1300, 30]), [1200n, 0.5]],
  ['beside the key that has most', points([1100, 10], [1300, 80], [1500, 10]), [1200n, 0.8]],
  ['the middle for a single key', points([1100, 30]), [2000n, 1]],
  ['unknown for few records', points([1100, 19]), undefined],
  ['unknown where most records are elsewhere', points([1100, 30], [5000, 31]), undefined],
  ['judged by those that are not', points([1100, 30], [1300, 30], [5000, 31]), [1200n, 0.5]],
])('the centre is %s', (_, given, wanted) => {
  const centre = centreOf(range, given)
  expect(centre && [centre.hashKey, centre.largestShare]).toEqual(wanted)
})

test('records count by their weight', () => {
  const light = points([1100, 30], [1300, 30])
  const heavy = light.map((it) => (it.hashKey === 1300n ? { ...it, weight: 3 } : it))
  expect(centreOf(range, [...heavy, ...points([1500, 60])])?.hashKey).toBe(1400n)
})

test('records without a key count as if they came from everywhere in the range', () => {
  const keyless = Array.from({ length: 60 }, () => ({ hashKey: undefined, weight: 1 }))
  expect(centreOf(range, keyless)).toMatchObject({ hashKey: 2000n })
  const hot = centreOf(range, [...keyless, ...points([1100, 40])])
  expect(hot?.largestShare).toBeCloseTo(0.4, 1)
  expect(hot?.hashKey).toBeLessThan(2000n)
})

test('a cut leaves two keys on each side', () => {
  const edge = points([1000, 30], [1001, 30])
  expect(centreOf(range, edge)?.hashKey).toBe(2000n)
  expect(centreOf({ startingHashKey: 1000n, endingHashKey: 1002n }, edge)).toBe(undefined)
})
