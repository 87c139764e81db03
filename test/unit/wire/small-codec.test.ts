import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as codec from '../../../src/wire/codec.ts'
import { packMessage, unpackMessage } from '../../../src/wire/small-codec.ts'

const leaf = fc.oneof(
  fc.constantFrom(null, true, false, 0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1),
  fc.nat(2 ** 31 - 1),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.string({ unit: 'grapheme', maxLength: 300 }).filter((it) => !it.startsWith('\ufeff')),
  fc.uint8Array({ maxLength: 300 }),
)
const message = fc.array(
  fc.oneof(leaf, fc.array(leaf, { maxLength: 20 }), fc.array(fc.array(leaf), { maxLength: 4 })),
  { maxLength: 20 },
)
const plain = (bytes: Uint8Array) => Array.from(bytes)

test('it packs the bytes of the other codec, and each unpacks what the other has packed', () => {
  fc.assert(
    fc.property(message, (values) => {
      const bytes = packMessage(values)
      expect(plain(bytes)).toEqual(plain(codec.packMessage(values)))
      expect(unpackMessage(bytes)).toEqual(values)
      expect(codec.unpackMessage(bytes)).toEqual(values)
    }),
    { numRuns: 500 },
  )
})

test.each([
  ['negative numbers', [0x95, 0xff, 0xd0, 0x80, 0xd1, 0xff, 0x00, 0xd2, 0xff, 0, 0, 0, 0xe0]],
  ['a negative number of 64 bits', [0x91, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]],
  ['wide headers', [0xdc, 0, 2, 0xdb, 0, 0, 0, 1, 0x61, 0xc6, 0, 0, 0, 1, 7]],
])('it reads as the other codec does: %s', (_, bytes) => {
  const frame = Uint8Array.from(bytes)
  expect(unpackMessage(frame)).toEqual(codec.unpackMessage(frame))
})

test('what it unpacks are copies', () => {
  const frame = packMessage([new Uint8Array([1, 2])])
  const [bytes] = unpackMessage(frame) as [Uint8Array]
  frame.fill(0)
  expect(plain(bytes)).toEqual([1, 2])
})

test.each([[[1.5]], [[-1]], [[2 ** 32]], [[{}]], [[() => 1]]])(
  'it refuses to pack %s',
  (values) => {
    expect(() => packMessage(values)).toThrow(TypeError)
  },
)

test.each([
  ['a map', [0x91, 0x80]],
  ['a float', [0x91, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0]],
  ['what is cut short', [0x92, 1]],
])('it refuses to unpack %s', (_, bytes) => {
  expect(() => unpackMessage(Uint8Array.from(bytes))).toThrow(/byte/)
})
