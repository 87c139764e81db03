import { describe, expect, it } from 'vitest'
import { batchLayout as at } from '../../../src/wire/batch-layout.ts'
import { SliceCursor } from '../../../src/wire/slice-cursor.ts'
import { makeBatch, makeRecords as records } from '../../support/slices.ts'

function slice(): Uint8Array {
  const a = records(['a', 3], ['é'.repeat(40), 300])
  const b = records(['last', 70_000])
  return Buffer.concat([
    makeBatch(2n ** 53n - 1n, a.bytes, a.count),
    makeBatch(9n, new Uint8Array(0), 0),
    makeBatch(2n ** 53n + 1n, b.bytes, b.count),
  ])
}

describe('a cursor over a slice', () => {
  it('goes through the records of all batches, and passes over markers', () => {
    const seen = Array.from(new SliceCursor(slice()), (record) => [
      record.sequenceNumber,
      record.partitionKey,
      record.data.length,
      record.arrivalMillis,
    ])
    expect(seen).toEqual([
      [2n ** 53n - 1n, 'a', 3, 1_700_000_000_123],
      [2n ** 53n, 'é'.repeat(40), 300, 1_700_000_000_123],
      [2n ** 53n + 1n, 'last', 70_000, 1_700_000_000_123],
    ])
  })

  it('steps without objects, and says the same', () => {
    const cursor = new SliceCursor(slice())
    const seen = []
    while (cursor.next()) seen.push([cursor.shard, cursor.sequenceNumber, cursor.partitionKey])
    expect(seen).toEqual([
      [7n, 2n ** 53n - 1n, 'a'],
      [7n, 2n ** 53n, 'é'.repeat(40)],
      [7n, 2n ** 53n + 1n, 'last'],
    ])
    expect(cursor.next()).toBe(false)
  })

  it('keeps a record valid after the next one was read', () => {
    const [first, second] = [...new SliceCursor(slice())]
    expect(first?.partitionKey).toBe('a')
    expect([...(first?.data ?? [])]).toEqual([3, 3, 3])
    expect(second?.data.length).toBe(300)
  })

  it('reads records in any legal encoding', () => {
    const long = [0xdd, 0, 0, 0, 2, 0xdb, 0, 0, 0, 1, 0x6b, 0xc6, 0, 0, 0, 2, 8, 9]
    const other = [0xdc, 0, 2, 0xda, 0, 1, 0x6b, 0xc5, 0, 1, 5]
    const bytes = makeBatch(1n, Uint8Array.from([...long, ...other]), 2)
    const seen = Array.from(new SliceCursor(bytes), (it) => [it.partitionKey, [...it.data]])
    expect(seen).toEqual([
      ['k', [8, 9]],
      ['k', [5]],
    ])
  })

  it('refuses what is no slice, and never reads outside of it', () => {
    const whole = slice()
    const read = (bytes: Uint8Array) => {
      const cursor = new SliceCursor(bytes)
      while (cursor.next()) expect(cursor.end).toBeLessThanOrEqual(bytes.length)
    }
    read(whole)
    const firstBatchBytes = at.headerBytes + records(['a', 3], ['é'.repeat(40), 300]).bytes.length
    for (let cut = 1; cut < 600; cut += 1) {
      const isWhole = cut === firstBatchBytes || cut === firstBatchBytes + at.headerBytes
      if (isWhole) read(whole.subarray(0, cut))
      else expect(() => read(whole.subarray(0, cut)), `cut at ${cut}`).toThrow(/slice, near byte/)
    }
    const compressed = makeBatch(1n, records(['a', 1]).bytes, 1, 1)
    expect(() => read(compressed)).toThrow(/compressed/)
    const { bytes } = records(['a', 1])
    expect(() => read(makeBatch(1n, bytes, 2))).toThrow()
    expect(() => read(makeBatch(1n, bytes, 0))).toThrow(/before their batch/)
  })

  it('refuses a batch with a wrong type byte, wherever it stands', () => {
    const whole = slice()
    for (const byte of [0, 1, 6, 15, 24, 29, 38, 43, 52, 57, 66, 71]) {
      const damaged = whole.slice()
      damaged[byte] = 0x01
      expect(() => [...new SliceCursor(damaged)], `byte ${byte}`).toThrow(/wanted a batch/)
    }
  })

  it('finds every changed byte when it is told to verify', () => {
    const { bytes, count } = records(['abc', 3], ['x', 30])
    const whole = Buffer.concat([makeBatch(1n, bytes, count), makeBatch(3n, bytes, count)])
    expect([...new SliceCursor(whole, { verify: true })].length).toBe(4)
    for (let i = 0; i < whole.length; i += 1) {
      const damaged = new Uint8Array(whole)
      damaged[i] = (damaged[i] as number) ^ 0x10
      expect(() => [...new SliceCursor(damaged, { verify: true })], `byte ${i}`).toThrow()
    }
    const damaged = new Uint8Array(whole)
    damaged[damaged.length - 1] = 99
    const cursor = new SliceCursor(damaged, { verify: true })
    expect([cursor.next(), cursor.next()]).toEqual([true, true])
    expect(() => cursor.next()).toThrow(expect.objectContaining({ code: 'LOG_CORRUPT' }))
    expect([...new SliceCursor(damaged)].length).toBe(4)
  })

  it('skips forward to a sequence number, and not back', () => {
    const from = (sequence: bigint) => {
      const cursor = new SliceCursor(slice())
      cursor.skipTo(sequence)
      return Array.from(cursor, (it) => it.sequenceNumber)
    }
    const all = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n]
    for (const [sequence, index] of [
      [0n, 0],
      [2n ** 53n - 1n, 0],
      [2n ** 53n, 1],
      [2n ** 53n + 1n, 2],
      [2n ** 53n + 2n, 3],
      [2n ** 64n, 3],
    ] as const) {
      expect(from(sequence), String(sequence)).toEqual(all.slice(index))
    }
    const cursor = new SliceCursor(slice())
    cursor.next()
    cursor.next()
    cursor.skipTo(0n)
    expect([...cursor].length).toBe(1)
  })

  it('survives any change of one byte', () => {
    const { bytes, count } = records(['abc', 3], ['é'.repeat(20), 300])
    const whole = makeBatch(1n, bytes, count)
    for (let i = 0; i < whole.length; i += 1) {
      for (const value of [0, 0x92, 0xc6, 0xdb, 0xff]) {
        const damaged = whole.slice()
        damaged[i] = value
        try {
          for (const record of new SliceCursor(damaged)) {
            expect(record.data.length).toBeLessThanOrEqual(whole.length)
            expect(record.partitionKey?.length).toBeLessThanOrEqual(whole.length)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROTOCOL_VIOLATION' })
        }
      }
    }
  })
})
