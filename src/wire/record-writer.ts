/**
 * Writes records into memory that grows, in the bytes in which they are sent, stored and pushed:
 * each is a MessagePack array `[partitionKey: str or nil, data: bin]`, and they stand back to back.
 */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'
import { partitionKeyCharactersMax } from '../limits.ts'
import { checkAttached, checkBytes, describe } from './arguments.ts'
import { batchLayout } from './batch-layout.ts'
import { writeBinHeader, writeStrHeader } from './message-bytes.ts'

const bytesInitial = 4 * 1024
const arrayOfTwo = 0x92
const nil = 0xc0
const fixStrBytesMax = 31
const headersBytesMax = 1 + 3 + 5
/** A UTF-16 unit is 3 bytes of UTF-8 at most. */
const utf8BytesPerUnit = 3
/** Below these lengths a loop is quicker than the call that it stands for. */
const loopKeyUnits = 48
const loopDataBytes = 24

const encoder = new TextEncoder()

export class RecordWriter {
  /** Bytes that stay free in front of the records. */
  readonly start: number
  #memory: Uint8Array<ArrayBuffer>
  #end: number
  #count = 0
  #bytesNext = 0

  /** `bytes` is the room for records to begin with; it grows. */
  constructor(start: number, bytes: number = bytesInitial) {
    this.start = start
    this.#end = start
    this.#memory = new Uint8Array(start + bytes)
  }

  /** The memory in which the records are, from `start` to `end`. */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.#memory
  }

  get end(): number {
    return this.#end
  }

  /** How many bytes the records take. */
  get size(): number {
    return this.#end - this.start
  }

  /** How many records there are. */
  get count(): number {
    return this.#count
  }

  /** Begins anew; memory beyond `bytesKept` is given back. */
  clear(bytesKept: number = Number.POSITIVE_INFINITY): void {
    if (this.#memory.length > bytesKept) this.#memory = new Uint8Array(this.start + bytesInitial)
    this.#end = this.start
    this.#count = 0
  }

  /** Begins anew in other memory; without any, in new memory that would hold as much again. */
  protected replaceMemory(memory: Uint8Array<ArrayBuffer> = new Uint8Array(0)): void {
    // A quarter more: the same amount of records must fit with what is reserved behind them.
    this.#bytesNext = Math.max(bytesInitial, this.size + (this.size >>> 2))
    this.#memory = memory
    this.clear()
  }

  /** Makes room for so many bytes behind the records. Throws a RangeError. */
  protected reserve(bytes: number): void {
    if (this.#end + bytes > this.#memory.length) this.#grow(bytes)
  }

  /**
   * Adds a record: a key of 1 to 256 characters, or none, and its data. Throws a TypeError or a
   * RangeError, and has then added nothing, as when the batch would pass its largest size (about
   * 11 MiB).
   */
  add(partitionKey: string | undefined, data: Uint8Array): void {
    if (partitionKey !== undefined && typeof partitionKey !== 'string') {
      throw new InvalidTypeError(`partition key: wanted a string, got ${describe(partitionKey)}`)
    }
    if (!(data instanceof Uint8Array)) checkBytes('data', data)
    if (data.length === 0) checkAttached('data', data)
    const units = partitionKey === undefined ? 0 : partitionKey.length
    this.reserve(units * utf8BytesPerUnit + data.length + headersBytesMax)
    const at = partitionKey === undefined ? this.#writeNoKey() : this.#writeKey(partitionKey)
    this.#end = this.#writeData(at, data)
    this.#count += 1
  }

  #writeNoKey(): number {
    this.#memory[this.#end] = arrayOfTwo
    this.#memory[this.#end + 1] = nil
    return this.#end + 2
  }

  #writeKey(key: string): number {
    const memory = this.#memory
    const start = this.#end
    memory[start] = arrayOfTwo
    const units = key.length
    if (units > 0 && units <= loopKeyUnits) {
      const at = start + (units <= fixStrBytesMax ? 2 : 3)
      let unit = 0
      let seen = 0
      while (unit < units) {
        const code = key.charCodeAt(unit)
        memory[at + unit] = code
        seen |= code
        unit += 1
      }
      if (seen < 0x80) {
        writeStrHeader(memory, start + 1, units)
        return at + units
      }
    }
    return this.#writeAnyKey(key, start + 1)
  }

  #writeAnyKey(key: string, at: number): number {
    checkKey(key)
    // Written where the longest header ends, and moved when a shorter one will do.
    const { written } = encoder.encodeInto(key, this.#memory.subarray(at + 3))
    const textAt = writeStrHeader(this.#memory, at, written)
    if (textAt < at + 3) this.#memory.copyWithin(textAt, at + 3, at + 3 + written)
    return textAt + written
  }

  #writeData(start: number, data: Uint8Array): number {
    const memory = this.#memory
    const bytes = data.length
    const at = writeBinHeader(memory, start, bytes)
    if (bytes <= loopDataBytes) {
      for (let i = 0; i < bytes; i += 1) memory[at + i] = data[i] as number
    } else {
      memory.set(data, at)
    }
    return at + bytes
  }

  #grow(more: number): void {
    const needed = this.#end - this.start + more
    const bytesMax = batchLayout.recordsBytesMax
    if (needed > bytesMax) {
      throw new InvalidValueError(`the batch would have ${needed} bytes, at most ${bytesMax}`)
    }
    const wanted = Math.min(Math.max(needed, 2 * this.#memory.length, this.#bytesNext), bytesMax)
    const memory = new Uint8Array(this.start + wanted)
    memory.set(this.#memory.subarray(0, this.#end))
    this.#memory = memory
  }
}

function checkKey(key: string): void {
  if (key.length === 0)
    throw new InvalidValueError('partition key is empty, it has 1 to 256 characters')
  if (/\p{Surrogate}/u.test(key))
    throw new InvalidValueError('partition key has half of a surrogate pair')
  if (key.length > partitionKeyCharactersMax) {
    let characters = 0
    for (const _ of key) characters += 1
    if (characters > partitionKeyCharactersMax) {
      throw new InvalidValueError(`partition key has ${characters} characters, at most 256`)
    }
  }
}
