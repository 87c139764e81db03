import { expect, it } from 'vitest'
import { BenchRecords } from '../../../../src/cli/bench/bench-records.ts'
import { recordBytesMax, recordBytesMin } from '../../../../src/cli/bench/plan.ts'

const sizes = [recordBytesMin, recordBytesMin + 1, 100, 1024, recordBytesMax]

/** A copy: the data is overwritten by the next record. */
function made(records: BenchRecords, number: number) {
  const { key, data } = records.record(number)
  return { key, data: Uint8Array.from(data) }
}

it.each(sizes)('knows its own records of %i bytes again', (recordBytes) => {
  const records = new BenchRecords({ recordBytes, keys: 7 })
  for (const number of [0, 1, 6, 7, 123_456_789, 2 ** 40]) {
    const { key, data } = made(records, number)
    expect(data).toHaveLength(recordBytes)
    expect(key).toBe(`key-${number % 7}`)
    expect(records.numberOf(key, data)).toBe(number)
  }
})

it('finds every byte that is altered; one of the id makes it a record of another run', () => {
  const records = new BenchRecords({ recordBytes: 40, keys: 1 })
  const { key, data } = made(records, 5)
  for (let at = 0; at < data.length; at += 1) {
    const altered = Uint8Array.from(data)
    altered[at] = (altered[at] as number) ^ 1
    expect(records.numberOf(key, altered), `byte ${at}`).toBe(at < 8 ? undefined : -1)
  }
})

it('finds a wrong key and a wrong length', () => {
  const records = new BenchRecords({ recordBytes: 40, keys: 2 })
  const { key, data } = made(records, 4)
  expect(records.numberOf('key-1', data)).toBe(-1)
  expect(records.numberOf(key, data.subarray(0, 39))).toBe(-1)
  expect(records.numberOf(key, Buffer.concat([data, Buffer.alloc(1)]))).toBe(-1)
})

it('passes over what others put', () => {
  const records = new BenchRecords({ recordBytes: 40, keys: 2 })
  const other = new BenchRecords({ recordBytes: 40, keys: 2 })
  const { key, data } = made(other, 0)
  expect(records.numberOf(key, data)).toBeUndefined()
  expect(records.numberOf('x', new Uint8Array(3))).toBeUndefined()
})
