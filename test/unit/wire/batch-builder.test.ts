import { Unpackr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'

const unpackr = new Unpackr({ useRecords: false })

function decode(builder: BatchBuilder): [string, Uint8Array][] {
  return unpackr.unpackMultiple(builder.bytes) as [string, Uint8Array][]
}

const keys = [
  'k',
  'x'.repeat(31),
  'x'.repeat(32),
  'x'.repeat(48),
  'x'.repeat(49),
  'x'.repeat(256),
  'é',
  '€'.repeat(10),
  '€'.repeat(11),
  '€'.repeat(85),
  '€'.repeat(86),
  '😀'.repeat(256),
  'mixed é 😀 ascii',
]
const sizes = [0, 1, 24, 25, 255, 256, 65_535, 65_536, 200_000]

describe('a builder', () => {
  it('writes what a MessagePack library reads, for keys and data of every length', () => {
    const builder = new BatchBuilder()
    for (const key of keys) {
      builder.clear()
      for (const bytes of sizes) builder.add(key, new Uint8Array(bytes).fill(bytes))
      expect(builder.count).toBe(sizes.length)
      const records = decode(builder)
      expect(records.map(([decoded]) => decoded)).toEqual(sizes.map(() => key))
      expect(records.map(([, data]) => data.length)).toEqual(sizes)
      for (const [, data] of records)
        expect(data.every((it) => it === data.length % 256)).toBe(true)
    }
  })

  it('writes the shortest headers', () => {
    const builder = new BatchBuilder()
    builder.add('ab', Uint8Array.of(7))
    expect([...builder.bytes]).toEqual([0x92, 0xa2, 0x61, 0x62, 0xc4, 1, 7])
    builder.clear()
    builder.add('é', new Uint8Array(0))
    expect([...builder.bytes]).toEqual([0x92, 0xa2, 0xc3, 0xa9, 0xc4, 0])
  })

  it('keeps the records that were there when one is refused', () => {
    const builder = new BatchBuilder()
    builder.add('good', Uint8Array.of(1))
    const before = [...builder.bytes]
    for (const key of ['', 'x'.repeat(257), '😀'.repeat(257), '\udc00x']) {
      expect(() => builder.add(key, new Uint8Array(1))).toThrow(RangeError)
    }
    expect([...builder.bytes]).toEqual(before)
    expect(builder.count).toBe(1)
  })

  it('takes empty data, and not what has been transferred away', () => {
    const builder = new BatchBuilder()
    builder.add('key', new Uint8Array(0))
    const data = Uint8Array.of(1, 2, 3)
    structuredClone(data, { transfer: [data.buffer] })
    expect(() => builder.add('key', data)).toThrow(/data: its memory is detached/)
    expect(builder.count).toBe(1)
  })

  it('is as large as a batch may be, and no larger', () => {
    const builder = new BatchBuilder()
    const data = new Uint8Array(1024 * 1024)
    expect(() => {
      for (let i = 0; i < 20; i += 1) builder.add('key', data)
    }).toThrow(/at most/)
    expect(builder.count).toBe(10)
    expect(decode(builder).length).toBe(10)
  })
})
