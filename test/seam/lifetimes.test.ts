import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  MillraceError,
  openLog,
  type Position,
  type SequenceNumber,
  SliceCursor,
  sequenceNumber,
} from '../../src/index.ts'
import { binding } from '../../src/log/binding.ts'
import { collectUntil, makeBatch, makeLog } from './harness.ts'

const mebibyte = 1024 * 1024
const small = { segmentBytesMin: 64 * 1024, segmentBytesMax: 64 * 1024 }

/** Fills several segments; answers the position of each batch. */
async function fill(
  log: Awaited<ReturnType<typeof openLog>>,
  shard: Parameters<typeof log.append>[0],
  batches: number,
): Promise<{ positions: Position[]; sequences: SequenceNumber[] }> {
  const positions: Position[] = []
  const sequences: SequenceNumber[] = []
  const batch = makeBatch(20, 500)
  for (let i = 0; i < batches; i += 1) {
    const answer = await log.append(shard, batch, { durability: 'os' })
    sequences.push(answer.firstSequenceNumber)
    positions.push(await log.seek(shard, answer.firstSequenceNumber))
  }
  return { positions, sequences }
}

describe('after close', () => {
  it('every call rejects with LOG_CLOSED, and closing again does nothing', async () => {
    const { log, shard } = await makeLog()
    const native = log.shard(shard)
    await log.append(shard, makeBatch(1, 10))
    await Promise.all([log.close(), log.close()])
    await log.close()
    const closed = { code: 'LOG_CLOSED' }
    const batch = makeBatch(1, 10)
    const one = sequenceNumber(1n)
    const start = 0n as Position
    await expect(log.append(shard, batch)).rejects.toMatchObject(closed)
    await expect(log.read(shard, { position: start }, 10)).rejects.toMatchObject(closed)
    await expect(log.seek(shard, one)).rejects.toMatchObject(closed)
    await expect(log.seekTime(shard, 1)).rejects.toMatchObject(closed)
    await expect(log.trim(shard, one)).rejects.toMatchObject(closed)
    await expect(log.flush()).rejects.toMatchObject(closed)
    await expect(log.scrub()).rejects.toMatchObject(closed)
    await expect(log.stats()).rejects.toMatchObject(closed)
    await expect(log.shardStats(shard)).rejects.toMatchObject(closed)
    await expect(log.listShards()).rejects.toMatchObject(closed)
    await expect(log.createShards([one])).rejects.toMatchObject(closed)
    await expect(log.deleteShard(shard)).rejects.toMatchObject(closed)
    await expect(log.sealShards([shard])).rejects.toMatchObject(closed)
    expect(() => log.setRoutes(0, [])).toThrow(MillraceError)
    expect(() => log.clearRoutes(0)).toThrow(MillraceError)
    await expect(log.putRecords(0, new Uint8Array(9))).rejects.toMatchObject(closed)
    expect(() => native.appendNow(batch.bytes, 1)).toThrow(MillraceError)
    expect(() => native.readNow(start, 10)).toThrow(MillraceError)
    await expect(log.tail(shard, native.committedEnd)).rejects.toMatchObject(closed)
  })

  it('what was appended before is acknowledged by the close', async () => {
    const { log, shard } = await makeLog()
    const answers = Promise.all(
      Array.from({ length: 50 }, () => log.append(shard, makeBatch(1, 10))),
    )
    const tail = log.tail(shard, (2n ** 60n) as Position).catch((error) => error.code)
    await log.close()
    expect((await answers).map((answer) => answer.firstSequenceNumber)).toEqual(
      Array.from({ length: 50 }, (_, i) => BigInt(i + 1)),
    )
    expect(await tail).toBe('LOG_CLOSED')
  })

  it('it can be disposed of', async () => {
    const { log, dir } = await makeLog()
    await log[Symbol.asyncDispose]()
    const again = await openLog({ dir })
    await again.close()
  })
})

describe('views', () => {
  it('are of length 0 once their records are trimmed, and after close', async () => {
    const { log, shard } = await makeLog(small)
    const { positions, sequences } = await fill(log, shard, 20)
    const first = await log.read(shard, { position: positions[0] as Position }, 1, { borrow: true })
    const last = await log.read(shard, { position: positions[19] as Position }, 1, { borrow: true })
    expect([...new SliceCursor(first.bytes)].length).toBe(20)
    expect(last.bytes.length).toBeGreaterThan(10_000)
    await log.trim(shard, sequences[15] as SequenceNumber)
    expect(first.bytes.length).toBe(0)
    expect(first.bytes[0]).toBeUndefined()
    expect(last.bytes.length).toBeGreaterThan(10_000)
    await log.close()
    expect(last.bytes.length).toBe(0)
    expect(last.bytes.buffer.byteLength).toBe(0)
  })

  it('of one segment share one buffer, and copies share none with the log', async () => {
    const { log, shard } = await makeLog(small)
    const { positions } = await fill(log, shard, 4)
    const read = (i: number, borrow: boolean) =>
      log.read(shard, { position: positions[i] as Position }, 1, { borrow })
    const [a, b] = [await read(0, true), await read(1, true)]
    expect(a.bytes.buffer).toBe(b.bytes.buffer)
    const copy = await read(0, false)
    expect(copy.bytes.buffer).not.toBe(a.bytes.buffer)
    expect(Buffer.compare(copy.bytes, a.bytes)).toBe(0)
    await log.close()
    expect(copy.bytes.length).toBeGreaterThan(0)
  })

  it('let go of their mappings when they are dropped', async () => {
    const before = binding.liveMappings()
    const { log, shard } = await makeLog(small)
    const { positions } = await fill(log, shard, 40)
    for (const position of positions) await log.read(shard, { position }, 1, { borrow: true })
    expect(binding.liveMappings()).toBeGreaterThan(before)
    await log.close()
    expect(await collectUntil(() => binding.liveMappings() <= before)).toBe(true)
  })

  it('cannot be transferred away', async () => {
    const { log, shard } = await makeLog(small)
    const { positions } = await fill(log, shard, 1)
    const view = await log.read(shard, { position: positions[0] as Position }, 1, { borrow: true })
    try {
      structuredClone(view.bytes.buffer, { transfer: [view.bytes.buffer as ArrayBuffer] })
    } catch (error) {
      expect((error as Error).name).toBe('DataCloneError')
    }
    const again = await log.read(shard, { position: positions[0] as Position }, 1, { borrow: true })
    expect([...new SliceCursor(again.bytes)].length).toBe(20)
  })
})

/**
 * What is left when garbage is gone, in bytes: of the process, and of what JavaScript has. A thread
 * of V8 frees array buffers some time after they were collected, and a busy processor holds it up:
 * what is dead is in one look and not in the next, what leaks is in all of them.
 */
async function lowestMemory(): Promise<{ readonly process: number; readonly js: number }> {
  const lowest = { process: Number.POSITIVE_INFINITY, js: Number.POSITIVE_INFINITY }
  for (let look = 0; look < 20; look += 1) {
    globalThis.gc?.()
    await sleep(5)
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    lowest.process = Math.min(lowest.process, rss)
    lowest.js = Math.min(lowest.js, heapUsed + arrayBuffers)
  }
  return lowest
}

describe('memory', () => {
  // A sanitizer keeps freed memory aside on purpose.
  const sanitized = process.env['LD_PRELOAD']?.includes('libasan') ?? false
  if (sanitized) console.warn('SKIPPED flat memory (a sanitizer keeps freed memory aside)')

  it.skipIf(sanitized)('stays flat over 300,000 reads, copied and borrowed', async () => {
    const { log, shard } = await makeLog(small)
    const { positions } = await fill(log, shard, 30)
    const native = log.shard(shard)
    const round = async (reads: number) => {
      for (let i = 0; i < reads; i += 1) {
        const position = positions[i % positions.length] as Position
        if (i % 2 === 0) native.readNow(position, 4096)
        else if (i % 16 === 1) await log.read(shard, { position }, 4096, { borrow: true })
      }
      return await lowestMemory()
    }
    await round(20_000)
    const before = await round(20_000)
    const mappings = binding.liveMappings()
    const after = await round(300_000)
    expect(after.js - before.js).toBeLessThan(4 * mebibyte)
    // The allocator of the process keeps up to 45 MiB of what was freed, at one time or another.
    expect(after.process - before.process).toBeLessThan(64 * mebibyte)
    expect(binding.liveMappings()).toBeLessThanOrEqual(mappings)
  })
})
