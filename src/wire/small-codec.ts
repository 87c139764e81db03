/**
 * codec.ts for browsers: the same two functions in a tenth of the bytes. It knows the few types
 * that messages have, and compiles no code at run time, which the policy of a page can forbid.
 * Bundlers take it in place of codec.ts by the `browser` map of package.json.
 */

import {
  headerBytesMax,
  messageTypes,
  writeArrayHeader,
  writeBinHeader,
  writeStrHeader,
  writeUint,
} from './message-bytes.ts'
import { type ScanBounds, scanMessage } from './message-scan.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const unsigned32Max = 2 ** 32 - 1
const utf8BytesPerUnit = 3

/** The values as one MessagePack array, in memory of its own. */
export function packMessage(values: readonly unknown[]): Uint8Array {
  const memory = new Uint8Array(bytesMaxOf(values))
  return memory.subarray(0, write(memory, 0, values))
}

function bytesMaxOf(value: unknown): number {
  if (typeof value === 'string') return headerBytesMax + value.length * utf8BytesPerUnit
  if (value instanceof Uint8Array) return headerBytesMax + value.length
  if (!Array.isArray(value)) return 9
  return value.reduce((bytes: number, it) => bytes + bytesMaxOf(it), headerBytesMax)
}

function write(memory: Uint8Array, at: number, value: unknown): number {
  if (Array.isArray(value)) {
    let next = writeArrayHeader(memory, at, value.length)
    for (const it of value) next = write(memory, next, it)
    return next
  }
  if (value instanceof Uint8Array) {
    const next = writeBinHeader(memory, at, value.length)
    memory.set(value, next)
    return next + value.length
  }
  if (typeof value === 'string') {
    const bytes = encoder.encode(value)
    const next = writeStrHeader(memory, at, bytes.length)
    memory.set(bytes, next)
    return next + bytes.length
  }
  return writeScalar(memory, at, value)
}

function writeScalar(memory: Uint8Array, at: number, value: unknown): number {
  if (typeof value === 'bigint') {
    memory[at] = value < 2n ** 63n ? messageTypes.int64 : messageTypes.uint64
    new DataView(memory.buffer, memory.byteOffset).setBigUint64(at + 1, BigInt.asUintN(64, value))
    return at + 9
  }
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= unsigned32Max) {
    return writeUint(memory, at, value as number)
  }
  const type =
    value === null || value === undefined
      ? messageTypes.nil
      : value === true
        ? messageTypes.true
        : value === false
          ? messageTypes.false
          : undefined
  if (type === undefined) throw new TypeError(`a message has no place for ${String(value)}`)
  memory[at] = type
  return at + 1
}

/**
 * The values of a message that is one array within the bounds of PROTOCOL.md; they are copies.
 * Throws a MillraceError, PROTOCOL_VIOLATION, for anything else.
 */
export function unpackMessage(frame: Uint8Array, bounds: ScanBounds = {}): unknown[] {
  scanMessage(frame, bounds)
  return new Unpacker(frame).take() as unknown[]
}

/** Takes the values of a message that has been scanned: each has its type, and is all there. */
class Unpacker {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  take(): unknown {
    const type = this.#bytes[this.#pass(1)] as number
    if (type < 0x80) return type
    if (type >= 0xe0) return type - 0x100
    if (type < messageTypes.fixStr) return this.#takeArray(type & 0x0f)
    if (type < messageTypes.nil) return this.#takeText(type & 0x1f)
    switch (type) {
      case messageTypes.nil:
        return null
      case messageTypes.false:
      case messageTypes.true:
        return type === messageTypes.true
      case messageTypes.array16:
      case messageTypes.array32:
        return this.#takeArray(this.#takeNumber(2 << (type - messageTypes.array16)))
      default:
        return this.#takeWide(type)
    }
  }

  #takeWide(type: number): unknown {
    if (type >= messageTypes.str8) {
      return this.#takeText(this.#takeNumber(1 << (type - messageTypes.str8)))
    }
    if (type <= messageTypes.bin32) {
      const length = this.#takeNumber(1 << (type - messageTypes.bin8))
      const at = this.#pass(length)
      // Not `slice`: that of a Buffer would be a view of the frame.
      return new Uint8Array(this.#bytes.subarray(at, at + length))
    }
    if (type === messageTypes.uint64) return this.#view.getBigUint64(this.#pass(8))
    if (type === messageTypes.int64) return this.#view.getBigInt64(this.#pass(8))
    if (type < messageTypes.uint64) return this.#takeNumber(1 << (type - messageTypes.uint8))
    const width = 1 << (type - messageTypes.int8)
    const unsigned = this.#takeNumber(width)
    const half = 2 ** (8 * width - 1)
    return unsigned < half ? unsigned : unsigned - 2 * half
  }

  #takeArray(count: number): unknown[] {
    return Array.from({ length: count }, () => this.take())
  }

  #takeText(bytes: number): string {
    const at = this.#pass(bytes)
    return decoder.decode(this.#bytes.subarray(at, at + bytes))
  }

  /** Passes so many bytes, and answers where they began. */
  #pass(bytes: number): number {
    this.#at += bytes
    return this.#at - bytes
  }

  /** A big-endian number of so many bytes, at most 4. */
  #takeNumber(width: number): number {
    let value = 0
    for (const end = this.#at + width; this.#at < end; this.#at += 1) {
      value = value * 256 + (this.#bytes[this.#at] as number)
    }
    return value
  }
}
