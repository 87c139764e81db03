import { encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unpackMessage } from '../../../src/wire/codec.ts'
import { scanMessage } from '../../../src/wire/message-scan.ts'

const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })
const scan = (...bytes: number[]) => scanMessage(Uint8Array.from(bytes))
const nested = (depth: number) => [...Array(depth - 1).fill(0x91), 0x90]

/** Frames that claim much and are little, with what a decoder that believed them would do. */
const bombs: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['an array of four billion', Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
  ['one within', Uint8Array.of(0x91, 0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0)],
  ['an array of 65,535', Uint8Array.of(0xdc, 0xff, 0xff, 0xc0)],
  ['a bin of 4 GiB', Uint8Array.of(0x91, 0xc6, 0xff, 0xff, 0xff, 0xff)],
  ['a str of 4 GiB', Uint8Array.of(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff)],
  ['a map of four billion', Uint8Array.of(0x91, 0xdf, 0xff, 0xff, 0xff, 0xff)],
  ['an extension of 4 GiB', Uint8Array.of(0x91, 0xc9, 0xff, 0xff, 0xff, 0xff, 1)],
  ['16 KB of arrays of one', new Uint8Array(16_384).fill(0x91)],
  ['100,000 levels', Uint8Array.from(nested(100_000))],
  ['arrays of 15 at each of 100 levels', new Uint8Array(100).fill(0x9f)],
  ['arrays of 1,024 at each of 7 levels', Uint8Array.from(Array(7).fill([0xdc, 4, 0]).flat())],
]

describe('what is no message', () => {
  it.each(bombs)('%s is refused at once, and nothing is allocated for it', (_, bytes) => {
    expect(() => scanMessage(bytes)).toThrow(violation)
    const before = process.memoryUsage()
    const start = performance.now()
    for (let i = 0; i < 200; i += 1) expect(() => unpackMessage(bytes)).toThrow(violation)
    const after = process.memoryUsage()
    expect(performance.now() - start).toBeLessThan(2000)
    const outside = after.arrayBuffers + after.external - before.arrayBuffers - before.external
    expect(outside).toBeLessThan(16 * 1024 * 1024)
  })

  it('is refused: other types, other tops, bytes behind it', () => {
    for (const bytes of [
      [],
      [0xc0],
      [0x01],
      [0x80],
      [0xdd, 0, 0, 0, 0],
      [0x90, 0xc0],
      [0x91],
      [0x91, 0xc1],
      [0x91, 0x80],
      [0x91, 0xde, 0, 0],
      [0x91, 0xca, 0, 0, 0, 0],
      [0x91, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
      [0x91, 0xd4, 0, 0],
      [0x91, 0xd8, 0, ...Array(16).fill(0)],
      [0x91, 0xc7, 0, 0],
      [0x92, 0xc0],
      [0x91, 0xa2, 0x61],
      [0x91, 0xcd, 0],
      [0x91, 0xda, 0],
      [0x91, 0xa1, 0xff],
      [0x91, 0xa3, 0xed, 0xa0, 0x80],
      [0x91, 0xa2, 0xc0, 0x80],
      [0x91, 0xa4, 0xf4, 0x90, 0x80, 0x80],
      [0x91, 0xa4, 0xef, 0xbb, 0xbf, 0x61],
    ]) {
      expect(() => scan(...bytes), Buffer.from(bytes).toString('hex')).toThrow(violation)
    }
  })
})

describe('bounds', () => {
  it('of depth: 8 levels and no more', () => {
    expect(() => scan(...nested(8))).not.toThrow()
    expect(() => scan(...nested(9))).toThrow(/deeper than 8/)
  })

  it('of elements: 1,024, or as many as are asked for, and no more', () => {
    const array = (count: number) => encode(Array(count).fill(null))
    expect(() => scanMessage(array(1024))).not.toThrow()
    expect(() => scanMessage(array(1025))).toThrow(/1025 elements, at most 1024/)
    expect(() => scanMessage(array(10_000), { elementsMax: 10_000 })).not.toThrow()
    expect(() => scanMessage(array(10_001), { elementsMax: 10_000 })).toThrow(violation)
  })

  it('of all elements together: 16 times as many, however small they are', () => {
    const square = (rows: number) => encode(Array(rows).fill(Array(1024).fill(null)))
    expect(() => scanMessage(square(15))).not.toThrow()
    expect(() => scanMessage(square(16))).toThrow(/together/)
    expect(() => scanMessage(square(1024))).toThrow(violation)
    expect(() => scanMessage(square(150), { elementsMax: 10_000 })).not.toThrow()
  })

  it('of strings: 1,024 bytes and no more; of binary data none but the frame', () => {
    expect(() => scanMessage(encode(['x'.repeat(1024)]))).not.toThrow()
    expect(() => scanMessage(encode(['x'.repeat(1025)]))).toThrow(/1025 bytes, at most 1024/)
    expect(() => scanMessage(encode([new Uint8Array(100_000)]))).not.toThrow()
  })
})

/** Values of which messages consist. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
    fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n).filter((it) => it < -(2n ** 32n) || it >= 2n ** 32n),
    fc.string({ unit: 'grapheme', maxLength: 80 }).filter((it) => !it.startsWith('\ufeff')),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 20, depthIdentifier: 'array' }),
  ),
}))

function depthOf(it: unknown): number {
  return Array.isArray(it) ? 1 + Math.max(0, ...it.map(depthOf)) : 0
}

describe('a message', () => {
  it('is unpacked as a MessagePack library packed it', () => {
    const message = fc.array(value, { maxLength: 30 }).filter((it) => depthOf(it) <= 8)
    fc.assert(
      fc.property(message, (values) => {
        expect(unpackMessage(encode(values, { useBigInt64: true }))).toEqual(values)
      }),
      { numRuns: 500 },
    )
  })

  it('keeps whole numbers whole, beyond 2^53 too', () => {
    const numbers = [2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
    expect(unpackMessage(encode(numbers, { useBigInt64: true }))).toEqual(numbers)
  })

  it('has no way to what all objects share', () => {
    const before = Object.getOwnPropertyNames(Object.prototype)
    const values = unpackMessage(
      encode(['__proto__', ['constructor', ['prototype', {}.toString]]].flat(1).map(String)),
    )
    expect(values[0]).toBe('__proto__')
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
    expect(() => unpackMessage(encode([{ ['__proto__']: { polluted: true } }]))).toThrow(violation)
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined)
  })
})
