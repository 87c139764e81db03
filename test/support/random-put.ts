/** Random frames of PutRecords, in any encoding that MessagePack allows; nearly all are good. */

import type { Random } from './random.ts'

const fixArray = 0x90
const array16 = 0xdc
const fixStr = 0xa0
const str8 = 0xd9
const bin8 = 0xc4
const uint8 = 0xcc
const int8 = 0xd0
const nil = 0xc0

const encoder = new TextEncoder()
const oddKeys: readonly Uint8Array[] = [
  ...['é', '€uro', '😀'.repeat(3), 'x'.repeat(256), '😀'.repeat(256), '\u0000', 'a\ufeff'],
  // Bad ones.
  ...['', 'x'.repeat(257), '😀'.repeat(257)],
].map((it) => encoder.encode(it))
const badUtf8: readonly (readonly number[])[] = [
  [0xff],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
]

class PutEncoder {
  readonly bytes: number[] = []
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  array(count: number): void {
    const random = this.#random
    if (count < 16 && !random.chance(4)) this.bytes.push(fixArray | count)
    else this.#sized(array16, random.chance(2) ? 2 : 4, count, 2)
  }

  str(text: ArrayLike<number>): void {
    if (text.length < 32 && !this.#random.chance(4)) this.bytes.push(fixStr | text.length)
    else this.#sized(str8, this.#width(text.length), text.length, 1)
    this.#push(text)
  }

  bin(data: ArrayLike<number>): void {
    this.#sized(bin8, this.#width(data.length), data.length, 1)
    this.#push(data)
  }

  nil(): void {
    this.bytes.push(nil)
  }

  uint(value: bigint): void {
    const random = this.#random
    if (value < 128n && !random.chance(3)) {
      this.bytes.push(Number(value))
      return
    }
    const isSigned = random.chance(3)
    const fits = [1, 2, 4, 8].filter((it) => value < 2n ** BigInt(8 * it - (isSigned ? 1 : 0)))
    const width = fits.length === 0 ? 8 : random.pick(fits)
    this.bytes.push((isSigned && fits.length > 0 ? int8 : uint8) + Math.log2(width))
    for (let i = width - 1; i >= 0; i -= 1) {
      this.bytes.push(Number((value >> BigInt(8 * i)) & 0xffn))
    }
  }

  /** A width of 1, 2 or 4 bytes that is wide enough. */
  #width(length: number): number {
    return this.#random.pick([1, 2, 4].filter((it) => length < 2 ** (8 * it)))
  }

  /** `first` is the type whose length has `firstWidth` bytes; the wider ones follow it. */
  #sized(first: number, width: number, length: number, firstWidth: number): void {
    this.bytes.push(first + Math.log2(width / firstWidth))
    for (let i = width - 1; i >= 0; i -= 1)
      this.bytes.push(Math.floor(length / 2 ** (8 * i)) & 0xff)
  }

  #push(values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i += 1) this.bytes.push(values[i] as number)
  }
}

function randomKey(random: Random): ArrayLike<number> {
  if (random.chance(40)) return random.pick(oddKeys)
  if (random.chance(200)) return random.pick(badUtf8)
  const length = 1 + random.below(random.chance(10) ? 60 : 12)
  return Array.from({ length }, () => 0x20 + random.below(0x5f))
}

function randomData(random: Random): ArrayLike<number> {
  const length = random.below(random.chance(20) ? 400 : 30)
  return Array.from({ length }, () => random.below(256))
}

/** A frame of PutRecords whose head is good: where its body begins is told apart. */
export function randomPut(random: Random): { head: number[]; body: number[] } {
  const head = new PutEncoder(random)
  head.bytes.push(fixArray | 8, 0x21)
  head.uint(BigInt(random.below(2 ** 32)))
  head.str(encoder.encode(random.pick(['s', 'orders', 'a.b-c_D9', 'x'.repeat(128)])))
  if (random.chance(2)) head.nil()
  else head.str(encoder.encode('os'))
  const body = new PutEncoder(random)
  const count = random.chance(50) ? random.pick([0, 15, 16, 40, 501]) : 1 + random.below(4)
  body.array(count)
  for (let i = 0; i < count; i += 1) {
    if (random.chance(500)) body.array(3)
    else body.array(2)
    if (random.chance(12)) body.nil()
    else body.str(randomKey(random))
    body.bin(randomData(random))
  }
  putHashKeys(random, body, count)
  body.uint(random.chance(2) ? 0n : random.bits64())
  body.uint(BigInt(random.below(random.chance(2) ? 200 : 2 ** 32)))
  return { head: head.bytes, body: body.bytes }
}

function putHashKeys(random: Random, body: PutEncoder, count: number): void {
  if (random.chance(2)) {
    body.nil()
    return
  }
  const keys = random.chance(50) ? count + 1 : count
  body.array(keys)
  for (let i = 0; i < keys; i += 1) {
    if (random.chance(3)) body.nil()
    else body.bin(Array.from({ length: random.chance(300) ? 15 : 16 }, () => random.below(256)))
  }
}
