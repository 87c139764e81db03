import { decode, encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  MessageReader,
  writeArrayHeader,
  writeAscii,
  writeBinHeader,
  writeStrHeader,
  writeUint,
  writeUint32,
  writeUint64,
} from '../../../src/wire/message-bytes.ts'

const memory = new Uint8Array(200_000)
const written = (end: number) => memory.slice(0, end)
const edges = [0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1]
const wide = (it: Uint8Array) => decode(it, { useBigInt64: true })
const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })

describe('values that are written', () => {
  it('are the shortest that a library would write, or as wide as they are told to be', () => {
    for (const value of edges) {
      expect(written(writeUint(memory, 0, value))).toEqual(encode(value))
      expect(writeUint32(memory, 0, value)).toBe(5)
      expect(wide(written(5))).toBe(value)
    }
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
        expect(writeUint64(memory, 0, value)).toBe(9)
        expect(wide(written(9))).toBe(value)
      }),
    )
    for (const length of edges.filter((it) => it < 300)) {
      const data = new Uint8Array(length)
      memory.fill(0)
      expect(written(writeBinHeader(memory, 0, length) + length)).toEqual(encode(data))
      const text = 'x'.repeat(length)
      expect(written(writeAscii(memory, 0, text))).toEqual(encode(text))
      expect(written(writeStrHeader(memory, 0, length))).toEqual(
        encode(text).subarray(0, encode(text).length - length),
      )
    }
    for (const length of [65_535, 65_536]) {
      const headers = [writeBinHeader(memory, 0, length), writeStrHeader(memory, 100, length)]
      expect(headers).toEqual(length === 65_535 ? [3, 103] : [5, 105])
    }
    for (const count of [0, 15, 16, 500, 65_535]) {
      const header = written(writeArrayHeader(memory, 0, count))
      expect(header).toEqual(encode(Array(count).fill(0)).subarray(0, header.length))
    }
  })
})

describe('a reader', () => {
  it('takes a number from any type of integer that is not negative', () => {
    const take = (...bytes: number[]) => {
      const reader = new MessageReader(Uint8Array.from(bytes), 0)
      const value = reader.takeUint('a number')
      reader.finish()
      return value
    }
    const zeros = (count: number) => Array(count).fill(0)
    for (const [type, width] of [
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
      [0xcf, 8],
    ] as const) {
      expect(take(type, ...zeros(width - 1), 7)).toBe(7)
      expect(take(type + 4, ...zeros(width - 1), 7)).toBe(7)
      expect(() => take(type + 4, 0x80, ...zeros(width - 1))).toThrow(violation)
      expect(() => take(type, ...zeros(width - 1))).toThrow(violation)
    }
    expect(take(0xcf, 0, 0x1f, ...Array(6).fill(0xff))).toBe(2 ** 53 - 1)
    for (const bytes of [[], [0xff], [0xe0], [0xca, 0, 0, 0, 0], [0xc0], [0xa1, 0x31]]) {
      expect(() => take(...bytes)).toThrow(violation)
    }
  })

  it('takes 64 bits whole', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
        writeUint64(memory, 0, value)
        expect(new MessageReader(written(9), 0).takeUint64('a number')).toBe(value)
        const shortest = encode(value < 2n ** 32n ? Number(value) : value, { useBigInt64: true })
        expect(new MessageReader(shortest, 0).takeUint64('a number')).toBe(value)
      }),
    )
    expect(() => new MessageReader(Uint8Array.of(0xcf, 1), 0).takeUint64('x')).toThrow(violation)
    const negative = Uint8Array.of(0xd3, 0xff, 0, 0, 0, 0, 0, 0, 0)
    expect(() => new MessageReader(negative, 0).takeUint64('x')).toThrow(violation)
  })

  it('says where it found what instead of what was wanted', () => {
    const reader = new MessageReader(Uint8Array.of(1, 0xc0), 0)
    expect(reader.takeUint('a number')).toBe(1)
    expect(() => reader.takeUint('a number')).toThrow('byte 1: wanted a number, found 0xc0')
    expect(reader.takeNil()).toBe(true)
    expect(reader.takeNil()).toBe(false)
    expect(() => reader.takeBin('data')).toThrow('wanted data, found the end of the message')
    reader.finish()
  })

  it('gives views of binary data that is all there', () => {
    for (const length of [0, 1, 255, 256, 70_000]) {
      const bytes = encode(new Uint8Array(length).fill(7))
      const reader = new MessageReader(bytes, 0)
      const data = reader.takeBin('data')
      expect([data.length, data.buffer]).toEqual([length, bytes.buffer])
      reader.finish()
      if (length > 0) {
        const cut = new MessageReader(bytes.subarray(0, -1), 0)
        expect(() => cut.takeBin('data')).toThrow(violation)
      }
    }
  })
})
