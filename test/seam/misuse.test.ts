import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  BatchBuilder,
  openLog,
  position,
  sequenceNumber,
  shardId,
  verify,
} from '../../src/index.ts'
import { makeBatch, makeLog, temporaryDirectory } from './harness.ts'

const wrongType = expect.objectContaining({ name: 'TypeError', code: 'INVALID_ARGUMENT' })
const wrongValue = expect.objectContaining({ name: 'RangeError', code: 'INVALID_ARGUMENT' })

/** Passes what the types forbid. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
const wrong = (value: unknown): any => value

/** The code of what it throws. */
function codeOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return (error as { code?: string }).code
  }
  return 'no error'
}

const wholeHashSpace = 2n ** 128n - 1n

describe('misuse is refused by name before it crosses', () => {
  it.each([
    ['a number', 7, TypeError, /bytes: wanted a Uint8Array, got number/],
    ['null', null, TypeError, /got null/],
    ['a Float64Array', new Float64Array(2), TypeError, /got Float64Array/],
    ['a DataView', new DataView(new ArrayBuffer(8)), TypeError, /got DataView/],
    ['an ArrayBuffer', new ArrayBuffer(8), TypeError, /got ArrayBuffer/],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(8)), TypeError, /SharedArrayBuffer/],
    [
      'resizable memory',
      new Uint8Array(
        new (ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer)(8, {
          maxByteLength: 16,
        }),
      ),
      TypeError,
      /resizable/,
    ],
  ])('bytes of an append: %s', async (_, bytes, kind, message) => {
    const { log, shard } = await makeLog()
    const failure = await log.append(shard, { bytes: wrong(bytes), count: 1 }).catch((e) => e)
    expect(failure).toBeInstanceOf(kind)
    expect(failure.message).toMatch(message)
    expect(() => log.shard(shard).appendNow(wrong(bytes), 1)).toThrow(message)
    await expect(log.putRecords(0, wrong(bytes))).rejects.toThrow(kind)
  })

  it('bytes of an append that were transferred away', async () => {
    const { log, shard } = await makeLog()
    const bytes = makeBatch(1, 10).bytes.slice()
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
    await expect(log.append(shard, { bytes, count: 1 })).rejects.toThrow(/is detached/)
    await expect(log.putRecords(0, bytes)).rejects.toThrow(/body: .* is detached/)
    expect(() => log.shard(shard).appendNow(bytes, 1)).toThrow(/is detached/)
    expect((await log.shardStats(shard)).appendedEnd).toBe(0n)
  })

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32, 2 ** 21])(
    'count of an append: %s',
    async (count) => {
      const { log, shard } = await makeLog()
      const { bytes } = makeBatch(1, 10)
      await expect(log.append(shard, { bytes, count })).rejects.toThrow(wrongValue)
      expect(() => log.shard(shard).appendNow(bytes, count)).toThrow(wrongValue)
    },
  )

  it('a count that is not that of the records, and bytes that are no records', async () => {
    const { log, shard } = await makeLog()
    const { bytes } = makeBatch(3, 10)
    for (const count of [2, 4]) {
      await expect(log.append(shard, { bytes, count })).rejects.toMatchObject({
        code: 'PROTOCOL_VIOLATION',
      })
    }
    const junk = { bytes: new Uint8Array(100), count: 1 }
    await expect(log.append(shard, junk)).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
    expect((await log.shardStats(shard)).appendedEnd).toBe(0n)
  })

  it('options of an append', async () => {
    const { log, shard } = await makeLog()
    const batch = makeBatch(1, 10)
    const refused = (options: unknown) => expect(log.append(shard, batch, wrong(options))).rejects
    await refused({ durability: 'tape' }).toThrow(/durability/)
    await refused({ epoch: -1 }).toThrow(wrongValue)
    await refused({ epoch: 2 ** 32 }).toThrow(wrongValue)
    await refused({ producerId: 1 }).toThrow(wrongType)
    await refused({ producerId: -1n }).toThrow(wrongValue)
    await refused({ producerId: 2n ** 64n }).toThrow(wrongValue)
    await refused({ producerSequence: Number.NaN }).toThrow(wrongValue)
    await refused({ expectedSequenceNumber: 1 }).toThrow(wrongType)
    await refused({ recordBytesMax: 0 }).toThrow(wrongValue)
    await expect(log.append(shard, wrong(null))).rejects.toThrow(wrongType)
    await expect(
      log.append(shard, { ...batch, count: 1, bytes: batch.bytes, codec: 256 }),
    ).rejects.toThrow(wrongValue)
  })

  it('shards, positions and sizes', async () => {
    const { log, shard } = await makeLog()
    const start = position(0n)
    await expect(log.read(wrong(1), { position: start }, 10)).rejects.toThrow(wrongType)
    await expect(log.read(wrong(-1n), { position: start }, 10)).rejects.toThrow(wrongValue)
    await expect(log.read(shardId(77n), { position: start }, 10)).rejects.toMatchObject({
      code: 'SHARD_NOT_FOUND',
    })
    for (const bytesMax of [0, -1, 2 ** 32, Number.NaN, 0.5]) {
      await expect(log.read(shard, { position: start }, bytesMax)).rejects.toThrow(wrongValue)
    }
    await expect(log.read(shard, { position: wrong(0) }, 10)).rejects.toThrow(wrongType)
    await expect(log.read(shard, { position: position(5n) }, 10)).rejects.toMatchObject({
      code: 'SEQUENCE_NUMBER_IN_FUTURE',
    })
    await expect(log.seek(shard, sequenceNumber(0n))).rejects.toMatchObject({
      code: 'SEQUENCE_NUMBER_TRIMMED',
    })
    await expect(log.seekTime(shard, -1)).rejects.toThrow(wrongValue)
    await expect(log.trim(shard, wrong(1))).rejects.toThrow(wrongType)
    await expect(log.trim(shard, sequenceNumber(10n))).rejects.toMatchObject({
      code: 'SEQUENCE_NUMBER_IN_FUTURE',
    })
    await expect(log.createShards([wrong(1)])).rejects.toThrow(wrongType)
    await expect(log.createShards([sequenceNumber(0n)])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('routes', async () => {
    const { log, shard } = await makeLog()
    expect(() => log.setRoutes(-1, [])).toThrow(wrongValue)
    expect(() => log.setRoutes(1, wrong(7))).toThrow(wrongType)
    expect(codeOf(() => log.setRoutes(1, []))).toBe('INVALID_ARGUMENT')
    expect(codeOf(() => log.setRoutes(1, [{ shard, endingHashKey: 5n }]))).toBe('INVALID_ARGUMENT')
    expect(() => log.setRoutes(1, [{ shard, endingHashKey: 2n ** 128n }])).toThrow(wrongValue)
    expect(() => log.setRoutes(1, [{ shard: shardId(9n), endingHashKey: wholeHashSpace }])).toThrow(
      /9/,
    )
    const open = [{ shard, endingHashKey: wholeHashSpace }]
    const previous = (value: unknown) => () => log.setRoutes(1, open, { previous: wrong(value) })
    expect(previous(7)).toThrow(wrongType)
    expect(previous([7])).toThrow(wrongType)
    expect(codeOf(previous([[]]))).toBe('INVALID_ARGUMENT')
    expect(codeOf(previous([[{ shard, endingHashKey: 5n }]]))).toBe('INVALID_ARGUMENT')
    expect(codeOf(previous(new Array(65).fill(open)))).toBe('INVALID_ARGUMENT')
    await expect(log.putRecords(1, new Uint8Array(4))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })

  it('options of an open', async () => {
    const dir = join(temporaryDirectory(), 'log')
    await expect(openLog({ dir: wrong(7) })).rejects.toThrow(wrongType)
    await expect(openLog({ dir: '' })).rejects.toThrow(wrongValue)
    await expect(openLog({ dir: 'a\0b' })).rejects.toThrow(wrongValue)
    await expect(verify('')).rejects.toThrow(wrongValue)
    await expect(openLog({ dir, segmentBytesMin: 1 })).rejects.toThrow(wrongValue)
    await expect(openLog({ dir, producersMax: wrong('9') })).rejects.toThrow(wrongType)
    await expect(openLog({ dir, alignCommits: wrong(1) })).rejects.toThrow(wrongType)
    await expect(openLog({ dir: '/nowhere/at/all' })).rejects.toMatchObject({ code: 'LOG_FAILED' })
  })

  it('leaves the log as good as it was', async () => {
    const { log, shard } = await makeLog()
    await log.append(shard, { bytes: new Uint8Array(3), count: 1 }, { epoch: 3 }).catch(() => 0)
    // Options of a failed call do not stick to the next one.
    await log.append(shard, makeBatch(1, 5))
    expect((await log.shardStats(shard)).epoch).toBe(1)
  })
})

describe('a builder', () => {
  it('refuses what no record may be', () => {
    const builder = new BatchBuilder()
    const data = new Uint8Array(1)
    expect(() => builder.add('', data)).toThrow(wrongValue)
    expect(() => builder.add('x'.repeat(257), data)).toThrow(wrongValue)
    expect(() => builder.add('\ud800', data)).toThrow(wrongValue)
    expect(() => builder.add(wrong(7), data)).toThrow(wrongType)
    expect(() => builder.add('x', wrong([1]))).toThrow(wrongType)
    expect(() => builder.add('x', new Uint8Array(12 * 1024 * 1024))).toThrow(wrongValue)
    expect(builder.count).toBe(0)
    expect(builder.size).toBe(0)
  })
})
