import { expect, test } from 'vitest'
import { cutSlice } from '../../../src/broker/record-slice.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { batchLayout } from '../../../src/wire/batch-layout.ts'
import { makeBatch } from '../../support/slices.ts'

/** Batches of so many records, from number 1 on; the n-th arrived at 1000 n. */
function makeSlice(counts: readonly number[]): { slice: Uint8Array; ends: number[] } {
  let first = 1n
  let at = 0
  const ends: number[] = []
  const batches = counts.map((count, i) => {
    const builder = new BatchBuilder()
    for (let k = 0; k < count; k += 1) builder.add('k', new Uint8Array(1))
    const batch = makeBatch(first, builder.bytes, count)
    new DataView(batch.buffer, batch.byteOffset).setBigUint64(
      batchLayout.arrivalAt,
      BigInt((i + 1) * 1000),
    )
    first += BigInt(count)
    at += batch.length
    ends.push(at)
    return batch
  })
  return { slice: new Uint8Array(Buffer.concat(batches)), ends }
}

test.each([
  // counts, skip, limit -> first and last batch, records, arrival
  [[3, 2, 4], 0, 100, [0, 2], 9, 3000],
  [[3, 2, 4], 0, 3, [0, 0], 3, 1000],
  [[3, 2, 4], 0, 4, [0, 1], 4, 2000],
  [[3, 2, 4], 2, 1, [0, 0], 1, 1000],
  [[3, 2, 4], 3, 1, [1, 1], 1, 2000],
  [[3, 2, 4], 4, 2, [1, 2], 2, 3000],
  [[3, 0, 4], 3, 2, [2, 2], 2, 3000],
  [[0, 3], 0, 1, [1, 1], 1, 2000],
] as const)('%j from %d on, at most %d', (counts, skip, limit, [from, to], records, arrival) => {
  const { slice, ends } = makeSlice(counts)
  const cut = cutSlice(slice, skip, limit)
  expect(cut.recordCount).toBe(records)
  expect(cut.lastArrivalMillis).toBe(arrival)
  expect(cut.bytes).toEqual(slice.subarray(ends[from - 1] ?? 0, ends[to]))
})

test('nothing where there is nothing', () => {
  const { slice } = makeSlice([2, 0])
  for (const [bytes, skip] of [
    [slice, 2],
    [new Uint8Array(0), 0],
    [makeSlice([0, 0]).slice, 0],
  ] as const) {
    expect(cutSlice(bytes, skip, 10)).toEqual({
      bytes: new Uint8Array(0),
      recordCount: 0,
      lastArrivalMillis: 0,
    })
  }
})
