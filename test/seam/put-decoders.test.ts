/**
 * One put, decoded three ways: by the native scanner in place, by the table of operations in
 * TypeScript, and by two libraries of others. On good bytes all of them see the same; what is bad
 * is refused by both of ours.
 */

import { createHash } from 'node:crypto'
import { decode } from '@msgpack/msgpack'
import { Unpackr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { MillraceError, type NativeLog, type ShardId, SliceCursor } from '../../src/index.ts'
import { sequenceNumber } from '../../src/log/log.ts'
import { batchLayout } from '../../src/wire/batch-layout.ts'
import type { putRecord, RequestOf } from '../../src/wire/operations.ts'
import { readPutHead } from '../../src/wire/put-frame.ts'
import { changedBytes, changeKinds } from '../support/changed-bytes.ts'
import { parsePutRequest } from '../support/put-request.ts'
import { Random } from '../support/random.ts'
import { randomPut } from '../support/random-put.ts'
import { makeLog, seedOf } from './harness.ts'

type Put = RequestOf<typeof putRecord>
type Refusal = MillraceError | undefined
/** What a shard did, as native/ingest/put_records.h has it. */
type AnswerRow = [shard: bigint, firstSequenceNumber: bigint, count: number, code: string | null]

const inputs = Number(process.env['MILLRACE_PUTS'] ?? 100_000)
const routes = 9
const shardBits = 2
const hashKeyBits = 128n
const compareEvery = 2000
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })

/** Streams of four shards, each with what was appended to it since it was last compared. */
class NativeSide {
  readonly #log: NativeLog
  readonly #shards: readonly ShardId[]
  readonly #expected = new Map<bigint, { put: Put; indexes: number[] }[]>()
  readonly #next = new Map<bigint, bigint>()
  readonly #compared = new Map<bigint, bigint>()
  #pending = 0

  constructor(log: NativeLog, shards: readonly ShardId[]) {
    this.#log = log
    this.#shards = shards
    for (const shard of shards) {
      this.#expected.set(shard, [])
      this.#next.set(shard, 1n)
      this.#compared.set(shard, 1n)
    }
  }

  static async open(): Promise<NativeSide> {
    const { log } = await makeLog()
    const shards = await log.createShards(Array(2 ** shardBits).fill(sequenceNumber(1n)))
    const width = 2n ** (hashKeyBits - BigInt(shardBits))
    log.setRoutes(
      routes,
      shards.map((shard, i) => ({ shard, endingHashKey: width * BigInt(i + 1) - 1n })),
    )
    return new NativeSide(log, shards)
  }

  /** What the scanner makes of a frame: undefined where it took it, with what it then answered. */
  put(frame: Uint8Array, bodyAt: number): { refusal: Refusal; answer: Uint8Array } {
    let told: { refusal: Refusal; answer: Uint8Array } | undefined
    this.#log.putRecordsThen(
      routes,
      frame,
      { start: bodyAt, durability: 'os' },
      {
        done: ({ bytes }) => {
          told = { refusal: undefined, answer: bytes }
        },
        failed: (error) => {
          if (!(error instanceof MillraceError)) throw error
          told = { refusal: error, answer: new Uint8Array(0) }
        },
      },
    )
    if (told === undefined) throw new Error('a put was not answered at once')
    return told
  }

  /** Notes what must have been appended; compares the routes with the keys at once. */
  took(put: Put, answer: Uint8Array): void {
    const byShard = new Map<bigint, number[]>()
    const told = unpackr.unpack(answer) as [AnswerRow[], Uint8Array]
    const keyless = keylessShard(put, told)
    put.records.forEach((record, i) => {
      const place = shardOf(record.partitionKey, put.explicitHashKeys?.[i])
      const shard = place === undefined ? keyless : this.#shards[place]
      const indexes = byShard.get(shard as bigint) ?? []
      byShard.set(shard as bigint, [...indexes, i])
    })
    const [rows] = told
    // A number that comes again for more records than at first has two rows: what the shard has of
    // it, and what it has not.
    const counts = new Map<bigint, number>()
    for (const [shard, , count] of rows) counts.set(shard, (counts.get(shard) ?? 0) + count)
    expect(counts).toEqual(new Map(Array.from(byShard, ([shard, { length }]) => [shard, length])))
    for (const [shard, firstSequenceNumber, count, errorCode] of rows) {
      const indexes = byShard.get(shard) ?? []
      const next = this.#next.get(shard)
      // Another number of this producer was there before, or the same: nothing was appended.
      if (errorCode !== null || firstSequenceNumber !== next) continue
      expect(count).toBe(indexes.length)
      this.#next.set(shard, next + BigInt(count))
      this.#expected.get(shard)?.push({ put, indexes })
      this.#pending += 1
    }
  }

  get isFull(): boolean {
    return this.#pending >= compareEvery
  }

  /** Reads what is in the log, and compares it with what was seen in the frames. */
  async compare(): Promise<void> {
    for (const shard of this.#shards) await this.#compareShard(shard)
    this.#pending = 0
  }

  async #compareShard(shard: ShardId): Promise<void> {
    const expected = this.#expected.get(shard) ?? []
    let read = sequenceNumber(this.#compared.get(shard) as bigint)
    let at = 0
    while (at < expected.length) {
      const slice = await this.#log.read(shard, { sequenceNumber: read }, 1024 * 1024)
      if (slice.bytes.length === 0) throw new Error(`${expected.length - at} batches are missing`)
      at = compareSlice(slice.bytes, expected, at)
      read = slice.nextSequenceNumber
    }
    this.#compared.set(shard, read)
    this.#expected.set(shard, [])
    // Millions of inputs would fill the disk.
    await this.#log.trim(shard, read)
  }
}

/** Where the answer says that the records without a key went; there is one place for all. */
function keylessShard(put: Put, [rows, rowOfRecord]: [AnswerRow[], Uint8Array]) {
  const at = put.records.findIndex(
    ({ partitionKey }, i) => shardOf(partitionKey, put.explicitHashKeys?.[i]) === undefined,
  )
  return at < 0 ? undefined : rows[rowOfRecord[at] as number]?.[0]
}

/** Undefined where the broker may choose. */
function shardOf(key: string | undefined, explicitHashKey: bigint | undefined) {
  if (explicitHashKey !== undefined)
    return Number(explicitHashKey >> (hashKeyBits - BigInt(shardBits)))
  if (key === undefined) return undefined
  return (createHash('md5').update(key).digest()[0] as number) >> (8 - shardBits)
}

/** Compares the batches of a slice with what was put, from `start` on; answers where it came to. */
function compareSlice(
  bytes: Uint8Array,
  expected: readonly { put: Put; indexes: number[] }[],
  start: number,
): number {
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const cursor = new SliceCursor(bytes)
  let at = start
  let left = 0
  let batchAt = 0
  while (cursor.next()) {
    const { put, indexes } = expected[at] as { put: Put; indexes: number[] }
    if (left === 0) {
      left = indexes.length
      batchAt = batchStart(fields, bytes, cursor.firstSequenceNumber, batchAt)
      const producer = [
        fields.getBigUint64(batchAt + batchLayout.producerIdAt),
        fields.getUint32(batchAt + batchLayout.producerSequenceAt),
      ]
      if (put.producerId !== 0n) expect(producer).toEqual([put.producerId, put.producerSequence])
    }
    const record = put.records[indexes[indexes.length - left] as number]
    const isSame = cursor.partitionKey === record?.partitionKey
    if (record === undefined || !isSame || !sameBytes(cursor.data, record.data)) {
      throw new Error(`the log has ${cursor.partitionKey} for ${record?.partitionKey}`)
    }
    left -= 1
    if (left === 0) at += 1
  }
  return at
}

/** Where the batch whose records have this first number begins, from an earlier one on. */
function batchStart(fields: DataView, bytes: Uint8Array, first: bigint, from: number): number {
  const { firstSequenceAt, countAt, headerBytes, recordsLengthAt } = batchLayout
  let at = from
  while (at < bytes.length) {
    // A marker has the number of the batch that follows it.
    const hasRecords = fields.getUint32(at + countAt) > 0
    if (hasRecords && fields.getBigUint64(at + firstSequenceAt) === first) return at
    at += headerBytes + fields.getUint32(at + recordsLengthAt)
  }
  throw new Error(`no batch begins with ${first}`)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

function parse(frame: Uint8Array): { put: Put | undefined; refusal: Refusal } {
  try {
    return { put: parsePutRequest(frame), refusal: undefined }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    return { put: undefined, refusal: error }
  }
}

type Decoded = [
  opcode: number,
  requestId: number | bigint,
  streamName: string,
  durability: string | null,
  records: [string | null, Uint8Array][],
  hashKeys: (Uint8Array | null)[] | null,
  producerId: number | bigint,
  producerSequence: number | bigint,
]

function hashKeyOf(bytes: Uint8Array | null): bigint | undefined {
  return bytes === null ? undefined : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

/** Whether a library sees in a frame what we see. */
function agrees(put: Put, decoded: Decoded): boolean {
  const [, , name, durability, records, hashKeys, id, sequence] = decoded
  const keys = hashKeys?.map(hashKeyOf)
  return (
    name === put.streamName &&
    (durability ?? undefined) === put.durability &&
    records.length === put.records.length &&
    records.every(([key, data], i) => {
      const record = put.records[i]
      if (record === undefined) return false
      return (key ?? undefined) === record.partitionKey && sameBytes(data, record.data)
    }) &&
    (keys ?? []).length === (put.explicitHashKeys ?? []).length &&
    (keys ?? []).every((it, i) => it === put.explicitHashKeys?.[i]) &&
    BigInt(id) === put.producerId &&
    Number(sequence) === put.producerSequence
  )
}

/** Decoders drop it, some in long strings alone; only native keeps it. */
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

function makeFrame(random: Random): { frame: Uint8Array<ArrayBuffer>; bodyAt: number } {
  const { head, body } = randomPut(random)
  const changes = Array.from({ length: random.chance(2) ? 1 + random.below(3) : 0 }, () => ({
    at: random.below(10_000),
    kind: random.pick(changeKinds),
    value: random.below(256),
  }))
  const changed = changes.length === 0 ? body : changedBytes(Uint8Array.from(body), changes)
  return { frame: Uint8Array.from([...head, ...changed]), bodyAt: head.length }
}

describe('the decoders of puts', () => {
  const seed = seedOf('MILLRACE_SEED')

  it(`agree on ${inputs} frames (MILLRACE_SEED=${seed})`, {
    timeout: 3 * inputs + 60_000,
  }, async () => {
    // Half of the inputs are refused, by errors whose stacks nobody looks at.
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    const random = new Random(seed)
    const native = await NativeSide.open()
    let good = 0
    let bad = 0
    for (let input = 0; input < inputs; input += 1) {
      const { frame, bodyAt } = makeFrame(random)
      if (Buffer.from(frame.buffer).includes(byteOrderMark)) continue
      const fail = (what: string): never => {
        const hex = Buffer.from(frame).toString('hex')
        throw new Error(`input ${input} of seed ${seed}: ${what}\n${hex}`)
      }
      const head = readPutHead(frame)
      if (head.bodyAt !== bodyAt) fail(`the body is at ${bodyAt}, not ${head.bodyAt}`)
      const { put, refusal } = parse(frame)
      const { refusal: nativeRefusal, answer } = native.put(frame, bodyAt)
      if ((refusal === undefined) !== (nativeRefusal === undefined)) {
        fail(
          `TypeScript: ${refusal?.message ?? 'good'}; native: ${nativeRefusal?.message ?? 'good'}`,
        )
      }
      if (put === undefined) {
        bad += 1
        continue
      }
      good += 1
      if (!agrees(put, decode(frame, { useBigInt64: true }) as Decoded)) fail('@msgpack differs')
      if (!agrees(put, unpackr.unpack(frame) as Decoded)) fail('msgpackr differs')
      if (head.streamName !== put.streamName || head.durability !== put.durability) fail('the head')
      native.took(put, answer)
      if (native.isFull) await native.compare()
    }
    await native.compare()
    Error.stackTraceLimit = stackTraceLimit
    const frames = `${good + bad} frames, ${good} good and ${bad} bad`
    process.stdout.write(`T-F4: ${frames}, seed ${seed}, 0 differences\n`)
    expect(Math.min(good, bad)).toBeGreaterThan(inputs / 4)
  })
})
