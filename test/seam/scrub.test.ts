/** Scrub as a user of the log meets it: what it reports, counts and refuses of a damaged log. */

import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, vi } from 'vitest'
import { type NativeLog, type ShardId, SliceCursor, sequenceNumber } from '../../src/index.ts'
import { makeBatch, makeLog } from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const segment = { segmentBytesMin: 64 * 1024, segmentBytesMax: 64 * 1024 }
/** What is counted is what the test has asked for. */
const quiet = { ...segment, scrubBytesPerSecond: 0 }
const dataBytes = 10_000
const recordsPerSegmentMax = 6

/** Appends `count` records to a shard, one batch each, with the keys NAME-0-0, NAME-1-0, ... */
async function fill(log: NativeLog, shard: ShardId, name: string, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await log.append(shard, makeBatch(1, dataBytes, `${name}-${i}`), { durability: 'os' })
  }
}

/** Flips one bit of the record with this key, in the file that the open log has mapped. */
function damage(dir: string, key: string): void {
  for (const name of readdirSync(join(dir, 'log'))) {
    const path = join(dir, 'log', name)
    const bytes = readFileSync(path)
    const at = bytes.indexOf(key)
    if (at === -1) continue
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.from([(bytes[at] as number) ^ 1]), 0, 1, at)
    closeSync(file)
    return
  }
  throw new Error(`there is no ${key}`)
}

/** The range that a scrub has to name when the record of this number is damaged. */
async function rangeOf(log: NativeLog, shard: ShardId, number: bigint) {
  const start = await log.seek(shard, sequenceNumber(number))
  const end = await log.seek(shard, sequenceNumber(number + 1n))
  return { start, end, expectedSequenceNumber: number, nextSequenceNumber: number + 1n }
}

it('names each damaged batch, of one shard or of all, and counts what it has checked', async () => {
  const { log, shard: a, dir } = await makeLog(quiet)
  const [b] = (await log.createShards([sequenceNumber(1n)])) as [ShardId]
  await fill(log, a, 'a', 20)
  await fill(log, b, 'b', 9)
  const { committedEnd: ofA, segmentCount } = await log.shardStats(a)
  const ofB = (await log.shardStats(b)).committedEnd
  expect(segmentCount).toBeGreaterThanOrEqual(20 / recordsPerSegmentMax)
  expect(await log.scrub({ shard: a })).toEqual({
    ...{ segmentCount, batchCount: 20, recordCount: 20, bytes: Number(ofA) },
    ...{ tornShards: 0, freeSegments: 0, damaged: [] },
  })
  expect(await log.stats()).toMatchObject({
    ...{ scrubbedBytes: Number(ofA), scrubPassCount: 0, damagedRangeCount: 0 },
  })

  const first = await rangeOf(log, a, 3n)
  const second = await rangeOf(log, a, 20n)
  const third = await rangeOf(log, b, 8n)
  damage(dir, 'a-2-0')
  damage(dir, 'a-19-0')
  damage(dir, 'b-7-0')
  const reason = 'checksum, order or length is wrong'
  const damagedA = [first, second].map((range) => ({ ...range, shard: a, reason }))
  const damagedB = [{ ...third, shard: b, reason }]
  expect(await log.scrub({ shard: b })).toMatchObject({ recordCount: 8, damaged: damagedB })
  expect((await log.stats()).damagedRangeCount).toBe(1)
  expect(await log.scrub()).toMatchObject({
    ...{ batchCount: 26, recordCount: 26, bytes: Number(ofA + ofB) },
    damaged: [...damagedA, ...damagedB],
  })
  expect((await log.stats()).damagedRangeCount).toBe(3)
  expect((await log.shardStats(a)).damaged).toEqual([first, second])
  await expect(log.scrub({ shard: 77n as ShardId })).rejects.toMatchObject({
    code: 'SHARD_NOT_FOUND',
  })
})

it('keeps to its pace, and ends with the log', async () => {
  const { log, shard } = await makeLog(quiet)
  await fill(log, shard, 'a', 20)
  const { committedEnd } = await log.shardStats(shard)
  const scrub = log.scrub({ bytesPerSecond: 1 }).then(
    () => 'answered',
    (error: { code?: string }) => error.code,
  )
  await vi.waitFor(async () => expect((await log.stats()).scrubbedBytes).toBeGreaterThan(0))
  // Far more time than the other segments take without a pace; with it they take hours.
  for (let i = 0; i < 20; i += 1) await fill(log, shard, 'b', 1).then(() => log.flush())
  const { scrubbedBytes } = await log.stats()
  expect(scrubbedBytes).toBeLessThan(Number(committedEnd) / 2)
  await log.close()
  expect(await scrub).toBe('LOG_CLOSED')
})

it('in the background it goes round, finds what is damaged and counts it', async () => {
  // Less than a segment at each of its turns: it has to save up.
  const { log, shard, dir } = await makeLog({ ...segment, scrubBytesPerSecond: 160 * 1024 })
  await fill(log, shard, 'a', 14)
  // A pass over segments that are all still open checks nothing.
  await vi.waitFor(async () => {
    const stats = await log.stats()
    expect(stats.scrubPassCount).toBeGreaterThan(0)
    expect(stats.scrubbedBytes).toBeGreaterThan(recordsPerSegmentMax * dataBytes)
    expect(stats.damagedRangeCount).toBe(0)
  }, 20_000)

  const { start, end } = await rangeOf(log, shard, 5n)
  damage(dir, 'a-4-0')
  await vi.waitFor(async () => expect((await log.stats()).damagedRangeCount).toBe(1), 20_000)
  expect((await log.shardStats(shard)).damaged).toMatchObject([{ start, end }])
  await expect(log.read(shard, { position: start }, 1)).rejects.toMatchObject({
    code: 'LOG_CORRUPT',
  })
  const { bytes } = await log.read(shard, { position: end }, 1 << 20)
  expect(Array.from(new SliceCursor(bytes), (it) => it.sequenceNumber)[0]).toBe(6n)
})
