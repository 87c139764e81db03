import { createHash } from 'node:crypto'
import { Packr, Unpackr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import { type NativeLog, type Position, type ShardId, SliceCursor } from '../../src/index.ts'
import { sequenceNumber, shardId } from '../../src/log/log.ts'
import { makeLog } from './harness.ts'

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' })
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
const routes = 5
const hashKeyBits = 128n

type TestRecord = readonly [key: string, data: Buffer]
type PutAnswer = [
  shards: [shard: bigint, first: bigint, count: number, code: string | null, wait: number | null][],
  ordinals: Buffer,
  failed: number,
]

/** The body of a request: records, explicit hash keys, producer id, producer sequence. */
function encodeBody(records: readonly TestRecord[], producer: readonly [bigint, number]): Buffer {
  return Buffer.concat([
    packr.pack(records),
    packr.pack(null),
    packr.pack(producer[0]),
    packr.pack(producer[1]),
  ])
}

async function makeStream(shardCount: number): Promise<{ log: NativeLog; shards: ShardId[] }> {
  const { log } = await makeLog()
  const shards = await log.createShards(
    Array.from({ length: shardCount }, () => sequenceNumber(1n)),
  )
  const width = 2n ** hashKeyBits / BigInt(shardCount)
  log.setRoutes(
    routes,
    shards.map((shard, i) => ({
      shard,
      endingHashKey: i === shardCount - 1 ? 2n ** hashKeyBits - 1n : width * BigInt(i + 1) - 1n,
    })),
  )
  return { log, shards }
}

function makeRecords(count: number): TestRecord[] {
  return Array.from({ length: count }, (_, i) => [`key-${i}`, Buffer.from(`data of ${i}`)] as const)
}

function ordinalOf(key: string, shardCount: number): number {
  const hash = BigInt(`0x${createHash('md5').update(key).digest('hex')}`)
  const width = 2n ** hashKeyBits / BigInt(shardCount)
  return Math.min(Number(hash / width), shardCount - 1)
}

async function readAll(log: NativeLog, shard: ShardId): Promise<[string, string][]> {
  const { bytes } = await log.read(shard, { position: 0n as Position }, 1024 * 1024)
  return Array.from(new SliceCursor(bytes), (record) => [
    record.partitionKey ?? '',
    Buffer.from(record.data).toString(),
  ])
}

describe('putRecords', () => {
  it('puts each record into the shard of its key, in order, and says where', async () => {
    const { log, shards } = await makeStream(4)
    const records = makeRecords(200)
    const answer = await log.putRecords(routes, encodeBody(records, [0n, 0]))
    expect(answer.failedCount).toBe(0)
    const [parts, ordinals, failed] = unpackr.unpack(answer.bytes) as PutAnswer
    expect(failed).toBe(0)
    expect(ordinals.length).toBe(200)
    for (const [i, shard] of shards.entries()) {
      const mine = records.filter(([key]) => ordinalOf(key, 4) === i)
      expect(await readAll(log, shard)).toEqual(mine.map(([key, data]) => [key, data.toString()]))
      const part = parts.find(([id]) => BigInt(id) === shard)
      expect(part?.slice(1)).toEqual([1n, mine.length, null, null])
    }
    records.forEach(([key], i) => {
      expect(BigInt(parts[ordinals[i] as number]?.[0] ?? 0)).toBe(shards[ordinalOf(key, 4)])
    })
  })

  it('is acknowledged when all of its shards are, and may be weaker', async () => {
    const { log, shards } = await makeStream(8)
    const body = encodeBody(makeRecords(100), [0n, 0])
    await Promise.all(Array.from({ length: 20 }, () => log.putRecords(routes, body)))
    for (const shard of shards) {
      const stats = await log.shardStats(shard)
      expect(stats.syncedEnd).toBe(stats.appendedEnd)
    }
    await log.putRecords(routes, body, { durability: 'os' })
    const numbers = await Promise.all(shards.map((shard) => log.shardStats(shard)))
    const total = numbers.reduce((sum, it) => sum + it.committedNextSequenceNumber - 1n, 0n)
    expect(total).toBe(2100n)
  })

  it('answers a repeat of an idempotent producer with the first numbers', async () => {
    const { log } = await makeStream(3)
    const body = encodeBody(makeRecords(50), [77n, 1])
    const first = unpackr.unpack((await log.putRecords(routes, body)).bytes)
    const again = unpackr.unpack((await log.putRecords(routes, body)).bytes)
    expect(again).toEqual(first)
    expect((await log.stats()).appendCount).toBe(3)
  })

  it('answers a repeat after a reshard from the shards that were closed', async () => {
    const { log, shards } = await makeStream(2)
    const body = encodeBody(makeRecords(60), [77n, 1])
    const first = await log.putRecords(routes, body)
    const [low, high] = shards as [ShardId, ShardId]
    const middle = 2n ** (hashKeyBits - 1n)
    const ends = [middle / 2n - 1n, middle - 1n, 2n ** hashKeyBits - 1n]
    const children = await log.createShards([sequenceNumber(100n), sequenceNumber(100n)])
    const open = [...children, high].map((shard, i) => ({
      shard: shard as ShardId,
      endingHashKey: ends[i] as bigint,
    }))
    const before = [low, high].map((shard, i) => ({ shard, endingHashKey: ends[i + 1] as bigint }))
    log.setRoutes(routes, open, { previous: [before] })
    // Also before it is closed: the routes are the switch.
    for (const isSealed of [false, true]) {
      if (isSealed) await log.sealShards([low])
      const again = await log.putRecords(routes, body)
      const [firstParts] = unpackr.unpack(first.bytes) as PutAnswer
      const [parts] = unpackr.unpack(again.bytes) as PutAnswer
      expect(new Set(parts)).toEqual(new Set(firstParts))
      // The open shards are 0 to 2; then come those of the previous map.
      expect(again.parts.map((it) => it.route).sort()).toEqual([2, 3])
    }
    expect((await log.stats()).appendCount).toBe(2)
    const next = await log.putRecords(routes, encodeBody(makeRecords(60), [77n, 2]))
    expect(next.parts.map((it) => it.route).sort()).toEqual([0, 1, 2])
    const ghost = [{ shard: shardId(99n), endingHashKey: 2n ** hashKeyBits - 1n }]
    log.setRoutes(routes, open, { previous: [ghost, before] })
    expect((await log.putRecords(routes, body)).parts.map((it) => it.route).sort()).toEqual([2, 4])
  })

  it('fails the records of a shard that refuses, and keeps the others', async () => {
    const { log, shards } = await makeStream(4)
    await log.sealShards([shards[2] as ShardId])
    const records = makeRecords(100)
    const answer = await log.putRecords(routes, encodeBody(records, [0n, 0]))
    const expected = records.filter(([key]) => ordinalOf(key, 4) === 2).length
    expect(answer.failedCount).toBe(expected)
    const [parts] = unpackr.unpack(answer.bytes) as PutAnswer
    expect(parts.find(([id]) => BigInt(id) === shards[2])?.[3]).toBe('SHARD_CLOSED')
    expect(await readAll(log, shards[2] as ShardId)).toEqual([])
    expect((await readAll(log, shards[1] as ShardId)).length).toBeGreaterThan(0)
  })

  it('tells the waiters of a shard in the order of their puts', async () => {
    const { log, shards } = await makeStream(1)
    const body = encodeBody(makeRecords(10), [0n, 0])
    const told: string[] = []
    const put = (durability: 'disk' | 'os') =>
      new Promise<void>((resolve, failed) => {
        const done = () => {
          told.push(durability)
          resolve()
        }
        log.putRecordsThen(routes, body, { durability }, { done, failed })
      })
    const first = put('disk')
    // It is committed here, and cannot be told of it before this turn of the event loop ends.
    const shard = log.shard(shards[0] as ShardId)
    while (shard.committedEnd === 0n);
    const second = put('os')
    await Promise.all([first, second])
    expect(told).toEqual(['disk', 'os'])
    // Where nobody waits, the answer is there before the call returns.
    put('os').catch(expect.unreachable)
    expect(told).toEqual(['disk', 'os', 'os'])
  })

  it('refuses what is malformed or out of bounds, and appends nothing', async () => {
    const { log } = await makeStream(2)
    const put = (body: Uint8Array, options = {}) => log.putRecords(routes, body, options)
    await expect(put(new Uint8Array(0))).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
    await expect(put(Buffer.from('junk'))).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
    const many = encodeBody(makeRecords(501), [0n, 0])
    await expect(put(many)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const body = encodeBody(makeRecords(10), [0n, 0])
    for (let cut = 0; cut < body.length; cut += 1) {
      await expect(put(body.subarray(0, cut))).rejects.toThrow()
    }
    await expect(put(body, { recordBytesMax: 5 })).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
    })
    expect((await log.stats()).appendCount).toBe(0)
    log.clearRoutes(routes)
    await expect(put(body)).rejects.toThrow(/routes 5 are not set/)
  })
})
