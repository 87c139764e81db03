import { expect, test } from 'vitest'
import { producerSettings } from '../../../src/client/producer-options.ts'
import { InvalidValueError } from '../../../src/errors.ts'
import {
  frameBytesMax,
  principalMessageBytesLowest,
  requestRecordsMax,
} from '../../../src/limits.ts'
import { PutRecordsBuilder } from '../../../src/wire/put-builder.ts'

const name = 's'.repeat(128)
const producer = { producerId: 2n ** 64n - 1n, producerSequence: 2 ** 32 - 1 }
const explicitHashKey = 2n ** 128n - 1n

/** The largest frame of such settings: so many records with hash keys, and so many bytes. */
function largestFrame(records: number, bytes: number): number {
  const builder = new PutRecordsBuilder({ streamName: name, durability: 'disk' })
  const each = Math.floor(bytes / records)
  for (let left = records; left > 0; left -= 1) {
    const wanted = left === 1 ? bytes - builder.size : each
    const before = builder.size
    // A record of one character and this much data has at most 8 bytes more.
    builder.add('k', new Uint8Array(Math.max(0, wanted - 8)), explicitHashKey)
    expect(builder.size - before).toBeLessThanOrEqual(Math.max(8, wanted))
  }
  return builder.finish(1, producer).length
}

test.each([principalMessageBytesLowest, 11_024, 21_023, frameBytesMax])(
  'a batch, and a record by itself, fit in a frame of %i bytes, and use half of it',
  (bytes) => {
    const settings = producerSettings({}, bytes)
    const { batchRecordsMax, batchBytesMax, recordBytesMax } = settings
    expect(batchRecordsMax).toBeGreaterThan(0)
    expect(largestFrame(batchRecordsMax, batchBytesMax)).toBeLessThanOrEqual(bytes)
    expect(largestFrame(1, recordBytesMax)).toBeLessThanOrEqual(bytes)
    expect(recordBytesMax).toBeGreaterThan(bytes - 2048)
    expect(batchBytesMax).toBeGreaterThanOrEqual(Math.min(256 * 1024, (bytes - 1024) / 2))
  },
)

test('fewer records than a frame holds are fewer; more than a request has are refused', () => {
  const small = (batchRecordsMax: number) =>
    producerSettings({ batchRecordsMax }, principalMessageBytesLowest).batchRecordsMax
  expect(small(7)).toBe(7)
  expect(small(requestRecordsMax)).toBeLessThan(requestRecordsMax)
  expect(() => small(requestRecordsMax + 1)).toThrow(InvalidValueError)
  expect(producerSettings({}, frameBytesMax).batchRecordsMax).toBe(requestRecordsMax)
})
