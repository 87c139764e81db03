import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import {
  type LogStats,
  type Position,
  type SequenceNumber,
  type ShardStats,
  sequenceNumber,
} from '../../src/index.ts'
import { binding, constants, type Done, type NativeLogHandle } from '../../src/log/binding.ts'
import { NativeCalls } from '../../src/log/native-calls.ts'
import { makeBatch, makeLog, runChild, temporaryDirectory } from './harness.ts'

const { pinTo } = await import(new URL('../../bench/lib/pinning.mjs', import.meta.url).href)

/** A log without the classes over it, and what wakes its owner up. */
async function openRaw() {
  const wakes = {
    count: 0,
    resolve: (): void => undefined,
    next: () =>
      new Promise<void>((resolve) => {
        wakes.resolve = resolve
      }),
  }
  const onWake = () => {
    wakes.count += 1
    wakes.resolve()
  }
  const settle = (call: (done: Done) => void) =>
    new Promise<unknown>((resolve, reject) => {
      call((error, answer) => (error === undefined ? resolve(answer) : reject(error)))
    })
  const directory = join(temporaryDirectory(), 'log')
  const handle = (await settle((done) =>
    binding.open(directory, constants.openDefaults, onWake, done),
  )) as NativeLogHandle
  const control = (
    operation: keyof typeof constants.controlOperations,
    list: BigUint64Array | null,
  ) => settle((done) => handle.control(constants.controlOperations[operation], 0n, 0n, list, done))
  return { handle, wakes, control }
}

describe('wake-ups', () => {
  it('none is lost: each append waits for the one before it', async () => {
    const { log, shard } = await makeLog()
    const batch = makeBatch(1, 20)
    for (let i = 0; i < 300; i += 1) {
      const answer = await log.append(shard, batch)
      expect(answer.firstSequenceNumber).toBe(BigInt(i + 1))
    }
  })

  it('are shared: at most one per group commit, whatever it commits', async () => {
    const { handle, wakes, control } = await openRaw()
    await control('createShards', BigUint64Array.of(1n, 1n, 1n, 1n))
    await control('flush', null)
    const calls = new NativeCalls(handle, () => undefined)
    const groups = () => (handle.stats(constants.statsKinds.log, 0) as LogStats).syncGroupCount
    const isCommitted = (slot: number) => {
      const stats = handle.stats(constants.statsKinds.shard, slot) as ShardStats
      return stats.committedEnd === stats.appendedEnd
    }
    const before = { groups: groups(), wakes: wakes.count }
    const { bytes } = makeBatch(1, 20)
    const rounds = 40
    for (let round = 0; round < rounds; round += 1) {
      for (let i = 0; i < 40; i += 1) calls.append(i % 4, bytes, 0, bytes.length, 1, 'disk')
      // Nothing else tells: where a wake-up is lost, this waits for ever.
      while (![0, 1, 2, 3].every(isCommitted)) await wakes.next()
    }
    await control('flush', null)
    const woken = wakes.count - before.wakes
    const committed = groups() - before.groups
    await control('close', null)
    expect(woken).toBeGreaterThan(0)
    expect(woken).toBeLessThanOrEqual(committed)
    expect(committed).toBeLessThan(rounds * 40)
  })

  it('come before the next group commit where both share a processor', async () => {
    const directory = join(temporaryDirectory(), 'log')
    const child = await runChild('late-loop.mjs', [directory], { through: pinTo('first') })
    expect(child).toMatchObject({ code: 0, stderr: '' })
    expect(Number(child.stdout)).toBeGreaterThan(0)
  })

  it('acknowledge in the order of the appends, over many shards', async () => {
    const { log } = await makeLog()
    const shards = await log.createShards(Array.from({ length: 20 }, () => sequenceNumber(1n)))
    const batch = makeBatch(2, 20)
    const seen = new Map<bigint, bigint[]>()
    const all: Promise<void>[] = []
    for (let i = 0; i < 2000; i += 1) {
      const shard = shards[i % shards.length] as (typeof shards)[number]
      const durability = i % 3 === 0 ? 'os' : 'disk'
      all.push(
        log.append(shard, batch, { durability }).then(async (answer) => {
          const { committedEnd } = await log.shardStats(shard)
          expect(committedEnd).toBeGreaterThanOrEqual(answer.endPosition)
          seen.set(shard, [...(seen.get(shard) ?? []), answer.firstSequenceNumber])
        }),
      )
      if (i % 97 === 0) await setTimeout(0)
    }
    await Promise.all(all)
    for (const numbers of seen.values()) {
      expect(numbers).toEqual(Array.from({ length: 100 }, (_, i) => BigInt(2 * i + 1)))
    }
  })

  it('tell a reader at the end of a shard, from an append of any kind', async () => {
    const { log, shard } = await makeLog()
    let position = 0n as Position
    for (const durability of ['disk', 'os', 'disk'] as const) {
      const tail = log.tail(shard, position)
      const [answer, moved] = await Promise.all([
        log.append(shard, makeBatch(1, 10), { durability }),
        tail,
      ])
      expect(moved).toEqual({ committedEnd: answer.endPosition, closed: false })
      position = answer.endPosition
    }
    // At once, where there is something already.
    expect(await log.tail(shard, 0n as Position)).toMatchObject({ committedEnd: position })
  })

  it('tell a reader that its shard takes no more records', async () => {
    const { log, shard } = await makeLog()
    const { endPosition } = await log.append(shard, makeBatch(1, 10))
    const tail = log.tail(shard, endPosition)
    await log.sealShards([shard])
    expect(await tail).toMatchObject({ closed: true })
    expect(await log.tail(shard, endPosition)).toMatchObject({ closed: true })
    await expect(log.append(shard, makeBatch(1, 10))).rejects.toMatchObject({
      code: 'SHARD_CLOSED',
    })
  })

  it('tell a reader that its shard was deleted', async () => {
    const { log, shard } = await makeLog()
    const { endPosition } = await log.append(shard, makeBatch(1, 10))
    const tail = log.tail(shard, endPosition).catch((error) => error.code)
    await log.deleteShard(shard)
    expect(await tail).toBe('SHARD_NOT_FOUND')
    await expect(log.append(shard, makeBatch(1, 10))).rejects.toMatchObject({
      code: 'SHARD_NOT_FOUND',
    })
  })

  it('a reader may leave', async () => {
    const { log, shard } = await makeLog()
    const controller = new AbortController()
    const tail = log.tail(shard, 0n as Position, { signal: controller.signal })
    controller.abort(new Error('gone'))
    await expect(tail).rejects.toThrow('gone')
    await expect(log.tail(shard, 0n as Position, { signal: controller.signal })).rejects.toThrow()
    await log.append(shard, makeBatch(1, 10))
  })

  it('cross threads: a worker appends, this thread reads', async () => {
    const { log, shard, dir } = await makeLog()
    const script = new URL('children/append-in-worker.mjs', import.meta.url)
    const worker = new Worker(script, { workerData: { dir, count: 200 } })
    const exited = new Promise((resolve) => worker.on('exit', resolve))
    let position = 0n as Position
    let next = 1n as SequenceNumber
    while (next <= 200n) {
      await log.tail(shard, position)
      const slice = await log.read(shard, { position }, 64 * 1024)
      expect(slice.firstSequenceNumber).toBe(next)
      position = slice.nextPosition
      next = slice.nextSequenceNumber
    }
    expect(await exited).toBe(0)
    expect((await log.shardStats(shard)).nextSequenceNumber).toBe(201n)
  })
})

describe('the fast path', () => {
  it('acknowledges what was appended so far, once', async () => {
    const { log, shard } = await makeLog()
    const fast = log.shard(shard)
    const builder = makeBatch(10, 50)
    for (let i = 0; i < 1000; i += 1) fast.appendBatch(builder)
    expect(fast.lastFirstSequenceNumber).toBe(9991n)
    const [a, b] = [fast.acknowledged(), fast.acknowledged()]
    const committedEnd = fast.committedEnd
    await a
    const { syncedEnd, appendedEnd } = await log.shardStats(shard)
    // Two that wait for the same share one promise; the sync may have ended between them.
    if (committedEnd < appendedEnd) expect(a).toBe(b)
    await b
    expect(syncedEnd).toBe(fast.committedEnd)
    await fast.acknowledged()
    let position = 0n as Position
    let count = 0
    while (position < fast.committedEnd) {
      const slice = fast.readNow(position, 30_000)
      count += slice.recordCount
      position = slice.nextPosition
    }
    expect(count).toBe(10_000)
  })
})
