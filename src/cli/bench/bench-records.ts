/**
 * The records of a run. Each begins with the id of the run and its own number, and the rest follows
 * from the number, so that what comes back can be told from what others put, and from what was
 * altered. Layout: 0 id of the run (8 bytes), 8 number (float64, little endian), 16 the rest.
 */

import { randomFillSync } from 'node:crypto'
import { recordBytesMax, recordBytesMin } from './plan.ts'

const numberAt = 8
/** Of random bytes: the rests of records begin all over it. */
const poolBytes = 2 * recordBytesMax
/** A prime: neighbours share no beginning. */
const strideBytes = 8191

export interface BenchRecord {
  readonly key: string
  /** Valid until the next record is made. */
  readonly data: Uint8Array
}

export class BenchRecords {
  readonly #pool = randomFillSync(Buffer.allocUnsafeSlow(poolBytes))
  readonly #data: Buffer
  readonly #keys: readonly string[]
  readonly #room: number

  /** `recordBytes` of data each; record n has key n modulo `keys`. */
  constructor({ recordBytes, keys }: { readonly recordBytes: number; readonly keys: number }) {
    this.#data = randomFillSync(Buffer.alloc(recordBytes))
    this.#keys = Array.from({ length: keys }, (_, index) => `key-${index}`)
    this.#room = poolBytes - recordBytes
  }

  get keyCount(): number {
    return this.#keys.length
  }

  keyOf(number: number): string {
    return this.#keys[number % this.#keys.length] as string
  }

  /** The record of this number; its data is overwritten by the next. */
  record(number: number): BenchRecord {
    this.#data.writeDoubleLE(number, numberAt)
    const from = this.#restFrom(number)
    this.#pool.copy(this.#data, recordBytesMin, from, from + this.#restBytes)
    return { key: this.keyOf(number), data: this.#data }
  }

  /** The number of a record; -1 where it was altered, undefined where another run put it. */
  numberOf(key: string, data: Uint8Array): number | undefined {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    if (bytes.length < recordBytesMin) return undefined
    if (this.#data.compare(bytes, 0, numberAt, 0, numberAt) !== 0) return undefined
    const number = bytes.readDoubleLE(numberAt)
    const isWhole = Number.isSafeInteger(number) && number >= 0
    if (!isWhole || bytes.length !== this.#data.length || key !== this.keyOf(number)) return -1
    const from = this.#restFrom(number)
    const to = from + this.#restBytes
    return this.#pool.compare(bytes, recordBytesMin, bytes.length, from, to) === 0 ? number : -1
  }

  get #restBytes(): number {
    return this.#data.length - recordBytesMin
  }

  #restFrom(number: number): number {
    return (number * strideBytes) % this.#room
  }
}
