/**
 * Packs records into one reusable buffer, in the bytes in which they are stored and pushed: each is
 * a MessagePack array `[partitionKey: str, data: bin]`, and they stand back to back.
 */

import { partitionKeyCharactersMax } from '../limits.ts'
import { checkBytes, describe } from './arguments.ts'
import { batchLayout } from './batch-layout.ts'

const bytesInitial = 4 * 1024
const arrayOfTwo = 0x92
const fixStr = 0xa0
const fixStrBytesMax = 31
const str8 = 0xd9
const str16 = 0xda
const bin8 = 0xc4
const bin16 = 0xc5
const bin32 = 0xc6
const headersBytesMax = 1 + 3 + 5
/** A UTF-16 unit is 3 bytes of UTF-8 at most. */
const utf8BytesPerUnit = 3
/** Below these lengths a loop is quicker than the call that it stands for. */
const loopKeyUnits = 48
const loopDataBytes = 24

const encoder = new TextEncoder()

/**
 * ```ts
 * const builder = new BatchBuilder()
 * builder.add('sensor-7', new Uint8Array([1, 2, 3]))
 * await log.append(shard, builder)
 * builder.clear()
 * ```
 */
export class BatchBuilder {
  #memory: Uint8Array<ArrayBuffer> = new Uint8Array(bytesInitial)
  #size = 0
  #count = 0

  /** The bytes of all records; a view that is valid until the next `add` or `clear`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.subarray(0, this.#size)
  }

  /** The memory behind `bytes`, for calls that take a range of it. */
  get memory(): Uint8Array<ArrayBuffer> {
    return this.#memory
  }

  /** How many bytes the records take. */
  get size(): number {
    return this.#size
  }

  /** How many records there are. */
  get count(): number {
    return this.#count
  }

  clear(): void {
    this.#size = 0
    this.#count = 0
  }

  /**
   * Adds a record: a key of 1 to 256 characters and its data. Throws a TypeError or a RangeError,
   * and has then added nothing, as when the batch would pass its largest size (about 11 MiB).
   */
  add(partitionKey: string, data: Uint8Array): void {
    if (typeof partitionKey !== 'string') {
      throw new TypeError(`partition key: wanted a string, got ${describe(partitionKey)}`)
    }
    if (!(data instanceof Uint8Array)) checkBytes('data', data)
    const worst = partitionKey.length * utf8BytesPerUnit + data.length + headersBytesMax
    if (this.#size + worst > this.#memory.length) this.#grow(worst)
    const at = this.#writeKey(partitionKey)
    this.#size = this.#writeData(at, data)
    this.#count += 1
  }

  #writeKey(key: string): number {
    const memory = this.#memory
    const start = this.#size
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
    // Written where the shorter header ends, and moved when the longer ones are needed.
    const { written } = encoder.encodeInto(key, this.#memory.subarray(at + 3))
    const header = written <= fixStrBytesMax ? 1 : written <= 0xff ? 2 : 3
    if (header < 3) this.#memory.copyWithin(at + header, at + 3, at + 3 + written)
    writeStrHeader(this.#memory, at, written)
    return at + header + written
  }

  #writeData(start: number, data: Uint8Array): number {
    const memory = this.#memory
    const bytes = data.length
    let at = start
    if (bytes <= 0xff) {
      memory[at++] = bin8
    } else if (bytes <= 0xffff) {
      memory[at++] = bin16
      memory[at++] = bytes >>> 8
    } else {
      memory[at++] = bin32
      memory[at++] = bytes >>> 24
      memory[at++] = bytes >>> 16
      memory[at++] = bytes >>> 8
    }
    memory[at++] = bytes
    if (bytes <= loopDataBytes) {
      for (let i = 0; i < bytes; i += 1) memory[at + i] = data[i] as number
    } else {
      memory.set(data, at)
    }
    return at + bytes
  }

  #grow(more: number): void {
    const needed = this.#size + more
    const bytesMax = batchLayout.recordsBytesMax
    if (needed > bytesMax) {
      throw new RangeError(`the batch would have ${needed} bytes, at most ${bytesMax}`)
    }
    const memory = new Uint8Array(Math.min(Math.max(needed, 2 * this.#memory.length), bytesMax))
    memory.set(this.#memory.subarray(0, this.#size))
    this.#memory = memory
  }
}

function writeStrHeader(memory: Uint8Array, at: number, bytes: number): void {
  if (bytes <= fixStrBytesMax) {
    memory[at] = fixStr | bytes
  } else if (bytes <= 0xff) {
    memory[at] = str8
    memory[at + 1] = bytes
  } else {
    memory[at] = str16
    memory[at + 1] = bytes >>> 8
    memory[at + 2] = bytes
  }
}

function checkKey(key: string): void {
  if (key.length === 0) throw new RangeError('partition key is empty, it has 1 to 256 characters')
  if (/\p{Surrogate}/u.test(key)) throw new RangeError('partition key has half of a surrogate pair')
  if (key.length > partitionKeyCharactersMax) {
    let characters = 0
    for (const _ of key) characters += 1
    if (characters > partitionKeyCharactersMax) {
      throw new RangeError(`partition key has ${characters} characters, at most 256`)
    }
  }
}
