/**
 * Single MessagePack values, written and read in place: for the frames of puts, which no library
 * encodes or decodes.
 */

import { MillraceError } from '../errors.ts'

/** The first bytes of the types that the protocol has; those of MessagePack. */
export const messageTypes = {
  nil: 0xc0,
  false: 0xc2,
  true: 0xc3,
  fixArray: 0x90,
  array16: 0xdc,
  array32: 0xdd,
  fixStr: 0xa0,
  str8: 0xd9,
  str16: 0xda,
  str32: 0xdb,
  bin8: 0xc4,
  bin16: 0xc5,
  bin32: 0xc6,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int64: 0xd3,
} as const

const types = messageTypes

/** Bytes of the longest header, that of a 32-bit length. */
export const headerBytesMax = 5
/** Bytes of a number written by `writeUint32` and by `writeUint64`. */
export const uint32Bytes = 5
export const uint64Bytes = 9

const fixIntMax = 0x7f
const fixStrBytesMax = 0x1f
const fixArrayCountMax = 0x0f
const scratch = new DataView(new ArrayBuffer(8))

/** Each of these writes a value, or its header, at `at` and answers where the next one goes. */
export function writeStrHeader(memory: Uint8Array, at: number, bytes: number): number {
  if (bytes <= fixStrBytesMax) {
    memory[at] = types.fixStr | bytes
    return at + 1
  }
  return writeLength(memory, at, types.str8, bytes)
}

export function writeBinHeader(memory: Uint8Array, at: number, bytes: number): number {
  return writeLength(memory, at, types.bin8, bytes)
}

/** With the shortest of a type's headers, for lengths of 1, 2 and 4 bytes; `type8` is the first. */
function writeLength(memory: Uint8Array, at: number, type8: number, length: number): number {
  if (length <= 0xff) {
    memory[at] = type8
    memory[at + 1] = length
    return at + 2
  }
  if (length <= 0xffff) {
    memory[at] = type8 + 1
    memory[at + 1] = length >>> 8
    memory[at + 2] = length
    return at + 3
  }
  return write32(memory, at, type8 + 2, length)
}

export function writeArrayHeader(memory: Uint8Array, at: number, count: number): number {
  if (count <= fixArrayCountMax) {
    memory[at] = types.fixArray | count
    return at + 1
  }
  return writeArray16(memory, at, count)
}

/** The header that takes the same room whatever the count, at most 65,535. */
export function writeArray16(memory: Uint8Array, at: number, count: number): number {
  memory[at] = types.array16
  memory[at + 1] = count >>> 8
  memory[at + 2] = count
  return at + 3
}

/** A number of 0 to 2^32-1, as short as it goes. */
export function writeUint(memory: Uint8Array, at: number, value: number): number {
  if (value <= fixIntMax) {
    memory[at] = value
    return at + 1
  }
  return writeLength(memory, at, types.uint8, value)
}

/** A number of 0 to 2^32-1, in `uint32Bytes` bytes whatever it is. */
export function writeUint32(memory: Uint8Array, at: number, value: number): number {
  return write32(memory, at, types.uint32, value)
}

function write32(memory: Uint8Array, at: number, type: number, value: number): number {
  memory[at] = type
  memory[at + 1] = value >>> 24
  memory[at + 2] = value >>> 16
  memory[at + 3] = value >>> 8
  memory[at + 4] = value
  return at + 5
}

/** A number of 0 to 2^64-1, in `uint64Bytes` bytes whatever it is. */
export function writeUint64(memory: Uint8Array, at: number, value: bigint): number {
  memory[at] = types.uint64
  scratch.setBigUint64(0, value)
  // Byte by byte: for so few `set` would take longer than all the rest.
  for (let i = 0; i < 8; i += 1) memory[at + 1 + i] = scratch.getUint8(i)
  return at + uint64Bytes
}

/** A string of ASCII. */
export function writeAscii(memory: Uint8Array, start: number, text: string): number {
  const at = writeStrHeader(memory, start, text.length)
  for (let i = 0; i < text.length; i += 1) memory[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** 0 is what most are, and the conversion a call into the runtime. */
function bigintOf(value: number): bigint {
  return value === 0 ? 0n : BigInt(value)
}

/**
 * Takes one value after the other. Any legal encoding of a value will do. Throws a MillraceError,
 * PROTOCOL_VIOLATION, that names what was wanted and where.
 */
export class MessageReader {
  readonly bytes: Uint8Array
  /** Where the next value begins. */
  at: number

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes
    this.at = at
  }

  /** Whether a nil was there; it is passed then. */
  takeNil(): boolean {
    if (this.bytes[this.at] !== types.nil) return false
    this.at += 1
    return true
  }

  /** A number of 0 to 2^53 or so: larger ones lose precision and must be refused by the caller. */
  takeUint(what: string): number {
    const type = this.bytes[this.at]
    if (type === undefined) return this.refuse(what)
    if (type <= fixIntMax) {
      this.at += 1
      return type
    }
    const width = this.#integerWidth(type, what)
    const at = this.at + 1
    this.at = at + width
    if (width < 8) return this.#number(at, width)
    return this.#number(at, 4) * 2 ** 32 + this.#number(at + 4, 4)
  }

  /** A number of 0 to 2^64-1. */
  takeUint64(what: string): bigint {
    const type = this.bytes[this.at]
    if (type !== types.uint64 && type !== types.int64) return bigintOf(this.takeUint(what))
    const at = this.at + 1
    this.#integerWidth(type, what)
    this.at = at + 8
    return (BigInt(this.#number(at, 4)) << 32n) | BigInt(this.#number(at + 4, 4))
  }

  /** Passes the header of a string that is all there, and answers how many bytes follow. */
  takeStrHeader(what: string): number {
    const type = this.bytes[this.at] ?? types.nil
    if ((type & 0xe0) === types.fixStr) {
      this.at += 1
      return this.#fits(type & fixStrBytesMax, what)
    }
    if (type < types.str8 || type > types.str32) return this.refuse(what)
    return this.#fits(this.#takeLength(1 << (type - types.str8), what), what)
  }

  /** A view, not a copy. */
  takeBin(what: string): Uint8Array {
    const type = this.bytes[this.at] ?? types.nil
    if (type < types.bin8 || type > types.bin32) return this.refuse(what)
    const length = this.#fits(this.#takeLength(1 << (type - types.bin8), what), what)
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  /** The elements that an array's header claims; nobody may act on it before they were seen. */
  takeArrayHeader(what: string): number {
    const type = this.bytes[this.at] ?? types.nil
    if ((type & 0xf0) === types.fixArray) {
      this.at += 1
      return type & fixArrayCountMax
    }
    if (type !== types.array16 && type !== types.array32) return this.refuse(what)
    return this.#takeLength(type === types.array16 ? 2 : 4, what)
  }

  /** Refuses bytes behind the last value. */
  finish(): void {
    if (this.at !== this.bytes.length) this.refuse('the end of the message')
  }

  refuse(what: string): never {
    const type = this.bytes[this.at]
    const found = type === undefined ? 'the end of the message' : `0x${type.toString(16)}`
    throw new MillraceError('PROTOCOL_VIOLATION', `byte ${this.at}: wanted ${what}, found ${found}`)
  }

  /** Bytes of an integer's value; refuses what is cut short, negative, or no integer. */
  #integerWidth(type: number, what: string): number {
    if (type < types.uint8 || type > types.int64) return this.refuse(what)
    const isSigned = type >= types.int8
    const width = 1 << (type - (isSigned ? types.int8 : types.uint8))
    if (this.at + width >= this.bytes.length) return this.refuse(what)
    if (isSigned && (this.bytes[this.at + 1] as number) >= 0x80) return this.refuse(what)
    return width
  }

  #takeLength(width: number, what: string): number {
    if (this.at + width >= this.bytes.length) return this.refuse(what)
    const at = this.at + 1
    this.at = at + width
    return this.#number(at, width)
  }

  #fits(length: number, what: string): number {
    if (length > this.bytes.length - this.at) {
      this.at = this.bytes.length
      return this.refuse(what)
    }
    return length
  }

  /** The big-endian number in `width` bytes, at most 4; the caller knows that they are there. */
  #number(at: number, width: number): number {
    let value = 0
    for (let i = at; i < at + width; i += 1) value = value * 256 + (this.bytes[i] as number)
    return value
  }
}
