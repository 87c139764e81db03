import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordWindow } from '../../../src/wire/record-window.ts'
import { makeBatch, makeRecords } from '../../support/slices.ts'

/** Batches of so many records from sequence number 10 on; none makes a marker batch. */
function makeSlice(counts: readonly number[], first = 10n): Uint8Array<ArrayBuffer> {
  let next = first
  const batches = counts.map((count) => {
    const { bytes } = makeRecords(
      ...Array.from({ length: count }, (_, i) => [`key-${next + BigInt(i)}`, i] as const),
    )
    const batch = makeBatch(next, bytes, count)
    next += BigInt(count)
    return batch
  })
  return new Uint8Array(Buffer.concat(batches))
}

const read = (window: RecordWindow) => Array.from(window, (it) => it.sequenceNumber)

describe('a window over a slice', () => {
  it('has the records that are meant, wherever the batches begin and end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 8 }),
        fc.nat({ max: 40 }),
        fc.nat({ max: 40 }),
        (counts, skip, wanted) => {
          const total = counts.reduce((sum, it) => sum + it, 0)
          const start = Math.min(skip, total)
          const recordCount = Math.min(wanted, total - start)
          const firstSequenceNumber = 10n + BigInt(start)
          const slice = makeSlice(counts)
          const window = new RecordWindow({ slice, firstSequenceNumber, recordCount })
          const numbers = Array.from({ length: recordCount }, (_, i) => 10n + BigInt(start + i))
          expect(read(window)).toEqual(numbers)
          const keys = Array.from(window, (it) => it.partitionKey)
          expect(keys).toEqual(numbers.map((it) => `key-${it}`))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('passes over earlier batches without looking at their records', () => {
    const slice = makeSlice([3, 2])
    // The records of the first batch are made unreadable.
    slice.fill(0xff, 76, 76 + 12)
    const window = { slice, firstSequenceNumber: 13n, recordCount: 2 }
    expect(read(new RecordWindow(window))).toEqual([13n, 14n])
    expect(() => read(new RecordWindow(window, { verify: true }))).toThrow(/checksum/)
    expect(() => read(new RecordWindow({ ...window, firstSequenceNumber: 12n }))).toThrow(/slice/)
  })

  it('counts records and not numbers where the numbers skip ahead', () => {
    const slice = new Uint8Array([...makeSlice([2]), ...makeSlice([2], 2n ** 32n)])
    const window = new RecordWindow({ slice, firstSequenceNumber: 11n, recordCount: 3 })
    expect(read(window)).toEqual([11n, 2n ** 32n, 2n ** 32n + 1n])
    const between = new RecordWindow({ slice, firstSequenceNumber: 500n, recordCount: 1 })
    expect(read(between)).toEqual([2n ** 32n])
  })

  it('gives views and no copies', () => {
    const slice = makeSlice([3])
    const [, , last] = [...new RecordWindow({ slice, firstSequenceNumber: 10n, recordCount: 3 })]
    expect(last?.data.buffer).toBe(slice.buffer)
    expect([...(last?.data ?? [])]).toEqual([2, 2])
  })

  it('of no records reads nothing, and says when there are fewer than it claims', () => {
    const empty = { slice: new Uint8Array(0), firstSequenceNumber: 1n, recordCount: 0 }
    expect(read(new RecordWindow(empty))).toEqual([])
    expect(() => read(new RecordWindow({ ...empty, recordCount: 1 }))).toThrow(/1 records too/)
    const slice = makeSlice([2])
    const window = new RecordWindow({ slice, firstSequenceNumber: 11n, recordCount: 2 })
    expect(() => read(window)).toThrow(expect.objectContaining({ code: 'PROTOCOL_VIOLATION' }))
  })
})
