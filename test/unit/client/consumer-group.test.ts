import { beforeEach, describe, expect, test } from 'vitest'
import type { Consumer } from '../../../src/client/consumer.ts'
import { LeaseLostError } from '../../../src/client/lease-lost-error.ts'
import { MillraceError } from '../../../src/errors.ts'
import type { SequenceNumber } from '../../../src/log/log.ts'
import { streamName } from '../broker/fan-out/harness.ts'
import { GroupHarness, keysOf, Loop } from './group-harness.ts'

let group: GroupHarness

beforeEach(async () => {
  group = await GroupHarness.make(2)
})

const put = (shard: number, ...keys: string[]) => group.fanOut.put(shard, keys)

describe('a group', () => {
  test('shares the shards; who closes leaves them to the others at once', async () => {
    const options = { leaseMillis: 1500 }
    const [a, b] = [new Loop(group.worker(options)), new Loop(group.worker(options))]
    await group.until(() => a.consumer.shardIds.length + b.consumer.shardIds.length === 2)
    await group.until(() => a.consumer.shardIds.length === 1 && b.consumer.shardIds.length === 1)
    await group.progress(Promise.all([a.consumer.ready(), b.consumer.ready()]))
    for (let i = 0; i < 10; i += 1) await put(i % 2, `${i}`)
    await group.until(() => a.keys.length + b.keys.length === 10)
    expect([a.keys.length, b.keys.length]).toEqual([5, 5])
    await group.progress(a.close())
    await group.until(() => b.consumer.shardIds.length === 2)
    await put(0, 'x')
    await put(1, 'y')
    await group.until(() => b.keys.length === 7)
    await group.progress(b.close())
    expect([a.error, b.error]).toEqual([undefined, undefined])
  })

  test('replaces a worker that is gone when its leases expire; nothing is lost', async () => {
    const program = group.program()
    const options = { leaseMillis: 3000, from: 'oldest' } as const
    const dying = new Loop(group.worker(options, program))
    await group.until(() => dying.consumer.shardIds.length === 2)
    for (let i = 0; i < 10; i += 1) await put(i % 2, `${i}`)
    await group.until(() => dying.keys.length === 10)
    program.die()
    for (let i = 10; i < 20; i += 1) await put(i % 2, `${i}`)
    const heir = new Loop(group.worker(options))
    const { millis } = group.clock
    await group.until(() => heir.consumer.shardIds.length === 2)
    expect(group.clock.millis - millis).toBeGreaterThan(1000)
    expect(group.clock.millis - millis).toBeLessThan(3000)
    await group.until(() => new Set([...dying.keys, ...heir.keys]).size === 20)
    await group.progress(heir.close())
    expect(heir.events.slice(0, 2).sort()).toEqual(['acquired 0', 'acquired 1'])
  })

  test('has the shards of two that died in the hands of a third in time', async () => {
    const options = { leaseMillis: 4000, from: 'oldest' } as const
    const programs = [group.program(), group.program()]
    const dying = programs.map((it) => new Loop(group.worker(options, it)))
    const shardsOf = (it: Loop) => it.consumer.shardIds.length
    await group.until(() => dying.every((it) => shardsOf(it) === 1))
    const heir = new Loop(group.worker(options))
    await group.advance(2000)
    const renewals = group.calls.filter((it) => it === 'RenewLeases').length
    await group.until(() => group.calls.filter((it) => it === 'RenewLeases').length > renewals)
    for (const it of programs) it.die()
    const { millis } = group.clock
    await group.until(() => shardsOf(heir) === 2)
    // A tenth of what leases are held for is kept for who is dead by then.
    expect(group.clock.millis - millis).toBeLessThan(4000 * (5 / 6))
    await group.progress(heir.close())
  })

  test('tells a worker that has lost a shard: by an event, and when it checkpoints', async () => {
    await put(0, 'a')
    await put(1, 'b')
    const options = { from: 'oldest', checkpoints: 'manual', leaseMillis: 1500 } as const
    const worker = group.worker(options)
    const lost: string[] = []
    worker.on('lost', (it) => lost.push(it.shardId))
    const batches = [await group.nextBatch(worker), await group.nextBatch(worker)]
    const other = new Loop(group.worker(options))
    await group.until(() => lost.length === 1)
    const [gone, kept] = batches.toSorted(
      (a, b) => Number(b.shardId === lost[0]) - Number(a.shardId === lost[0]),
    )
    if (gone === undefined || kept === undefined) throw new Error('two batches')
    expect([gone, kept].map((it) => worker.hasLost(it))).toEqual([true, false])
    const error = await worker.checkpoint(gone).catch((it: unknown) => it)
    expect(error).toBeInstanceOf(LeaseLostError)
    expect(error).toMatchObject({ code: 'LEASE_LOST', shardId: gone.shardId, retryable: false })
    await group.progress(worker.checkpoint(kept))
    await group.until(() => other.keys.length === 1)
    expect(other.keys).toEqual(keysOf(gone))
    await group.progress(Promise.all([worker.close(), other.close()]))
  })

  test('leaves at once also where it has lost a shard, and does not know', async () => {
    await put(0, 'a')
    const worker = group.worker({ from: 'oldest', checkpointMillis: 3_600_000 })
    await group.take(worker, 1)
    const { verbs } = group.program()
    const thief = { workerId: 'thief', leaseMillis: 3000 }
    await verbs.acquireLeases(streamName, 'billing', thief)
    await group.advance(1000)
    expect(await verbs.acquireLeases(streamName, 'billing', thief)).toMatchObject({
      acquired: [{ shardId: 'shardId-000000000001' }],
    })
    const before = group.calls.length
    await group.progress(worker.close())
    expect(group.calls.slice(before).filter((it) => it === 'SetCheckpoint')).toHaveLength(2)
  })

  test('delivers nothing of a lost shard that was on its way', async () => {
    group = await GroupHarness.make(2)
    for (let i = 0; i < 6; i += 1) await put(i % 2, `${i}`)
    const worker = group.worker({ from: 'oldest', leaseMillis: 1500 })
    await group.progress(worker.ready())
    const other = new Loop(group.worker({ from: 'oldest', leaseMillis: 1500 }))
    const lost: string[] = []
    worker.on('lost', (it) => lost.push(it.shardId))
    await group.until(() => lost.length === 1)
    const mine = new Loop(worker)
    await group.until(() => mine.keys.length + other.keys.length === 6)
    await group.advance(500)
    expect(new Set([...mine.keys, ...other.keys]).size).toBe(6)
    await group.progress(Promise.all([mine.close(), other.close()]))
  })

  test('leases whose answer was lost are the worker’s all the same', async () => {
    const program = group.program()
    let losses = 1
    program.answered = (name) => {
      if (name !== 'AcquireLeases' || losses === 0) return
      losses -= 1
      throw new MillraceError('CONNECTION_LOST')
    }
    const worker = group.worker({}, program)
    await group.until(() => worker.shardIds.length === 2)
    expect(group.calls).toContain('ListLeases')
    await group.progress(worker.close())
  })

  test('gives back what it was given while it was closed', async () => {
    const program = group.program()
    let worker: Consumer | undefined
    let closing: Promise<void> | undefined
    program.answered = (name) => {
      if (name === 'AcquireLeases') closing ??= worker?.close()
    }
    worker = group.worker({}, program)
    worker.ready().catch(() => undefined)
    await group.until(() => closing !== undefined)
    await group.progress(closing as Promise<void>)
    expect(group.calls.filter((it) => it === 'ReleaseLease')).toHaveLength(2)
    expect(await group.leases()).toEqual({})
  })

  test('a worker that comes back under its name has its leases at once', async () => {
    const program = group.program()
    await put(0, 'a')
    const options = { workerId: 'me', from: 'oldest' } as const
    const first = new Loop(group.worker({ ...options, checkpointMillis: 100 }, program))
    await group.until(() => first.keys.length === 1)
    await group.wrote('0', '2')
    program.die()
    await put(0, 'b')
    const second = new Loop(group.worker(options))
    await group.progress(second.consumer.ready())
    expect(second.consumer.workerId).toBe('me')
    await group.until(() => second.keys.length === 1)
    expect(second.keys).toEqual(['b'])
    await group.progress(second.close())
  })

  test('no worker has more than it wants', async () => {
    const worker = group.worker({ leasesMax: 1, leaseMillis: 1000 })
    await group.progress(worker.ready())
    await group.advance(2000)
    expect(worker.shardIds).toHaveLength(1)
    await group.progress(worker.close())
  })
})

describe('splits and merges', () => {
  test.each(['automatic', 'manual'] as const)(
    'parents come first, checkpoints %s',
    async (checkpoints) => {
      await put(0, 'a')
      await put(1, 'b')
      await group.fanOut.merge(0, 1)
      await put(2, 'c')
      await group.fanOut.split(2)
      await put(3, 'd')
      const worker = group.worker({ from: 'oldest', checkpoints, leaseMillis: 300_000 })
      const seen: string[] = []
      while (seen.length < 4) {
        const batch = await group.nextBatch(worker)
        seen.push(...keysOf(batch))
        if (checkpoints === 'manual') await group.progress(worker.checkpoint(batch))
      }
      expect([seen.slice(0, 2).sort(), seen.slice(2)]).toEqual([
        ['a', 'b'],
        ['c', 'd'],
      ])
      expect(await group.checkpoints()).toMatchObject({ 0: 'end', 1: 'end', 2: 'end' })
      expect(worker.shardIds.map((it) => it.slice(-1)).sort()).toEqual(['3', '4'])
      // The lease of a shard that is worked off is given back soon.
      while ('2' in (await group.leases())) await group.advance(25)
      expect(Object.keys(await group.leases())).toEqual(['3', '4'])
      // Nobody has waited for the next round.
      expect(group.clock.millis).toBeLessThan(100_000)
      await group.progress(worker.close())
    },
  )

  test('children begin at their beginning, whatever the consumer began with', async () => {
    await put(0, 'old')
    await group.later()
    const worker = new Loop(group.worker())
    await group.progress(worker.consumer.ready())
    await group.fanOut.split(0)
    await put(2, 'a')
    await put(3, 'b')
    await group.until(() => worker.keys.length === 2)
    expect(worker.keys.sort()).toEqual(['a', 'b'])
    await group.progress(worker.close())
  })

  test.each([['latest'], ['oldest']] as const)(
    'a child that has lost its beginning: every worker is told until it is noted; %s',
    async (from) => {
      const parent = await group.fanOut.put(0, ['old'])
      await group.later()
      await group.program().verbs.registerStreamConsumer(streamName, 'billing')
      await group.later()
      await group.fanOut.split(0)
      for (const key of ['a', 'b', 'c', 'd']) await group.fanOut.put(2, [key], 40_000)
      const { number, startingSequenceNumber: lostFrom } = group.fanOut.shard(2)
      await group.fanOut.log.trim(number, (lostFrom + 2n) as SequenceNumber)
      const { firstSequenceNumber: firstAvailable } = await group.fanOut.log.shardStats(number)
      expect([lostFrom > parent, firstAvailable > lostFrom]).toEqual([true, true])
      const gap = { shardId: 'shardId-000000000002', lostFrom, firstAvailable }
      const options = { from, checkpoints: 'manual' } as const
      const first = group.worker(options)
      if (from === 'oldest') {
        await group.progress(first.checkpoint(await group.nextBatch(first)))
      }
      expect((await group.nextBatch(first)).gap).toEqual(gap)
      await group.wrote('2', String(lostFrom))
      await group.progress(first.close())
      const second = group.worker(options)
      const again = await group.nextBatch(second)
      expect(again.gap).toEqual(gap)
      await group.progress(second.checkpoint(again))
      await group.progress(second.close())
      const third = group.worker(options)
      expect((await group.nextBatch(third)).gap).toBeUndefined()
      await group.progress(third.close())
    },
  )

  test('what follows a shard that has expired is worked on', async () => {
    await put(0, 'a')
    const worker = group.worker({ from: 'oldest', checkpoints: 'manual' })
    const first = await group.nextBatch(worker)
    await group.fanOut.split(0)
    await put(2, 'b')
    const lost: string[] = []
    worker.on('lost', (it) => lost.push(it.shardId.slice(-1)))
    // All of it has been sent, and a day later it has not been worked off.
    await group.advance(100)
    group.fanOut.clock.millis += 25 * 3_600_000
    await group.fanOut.streams.retention.sweep()
    expect(group.fanOut.streams.require(streamName).shards.has(0)).toBe(false)
    const error = await group.progress(worker.checkpoint(first).catch((it: unknown) => it))
    expect(error).toBeInstanceOf(LeaseLostError)
    expect(lost).toEqual(['0'])
    // The record from before has expired, too.
    await put(2, 'c')
    expect(await group.take(worker, 1)).toEqual(['c'])
    await group.progress(worker.close())
  })

  test('a shard that is not worked off keeps its children back', async () => {
    await put(0, 'a')
    await group.fanOut.split(0)
    await put(2, 'b')
    const worker = group.worker({ from: 'oldest', checkpoints: 'manual', leaseMillis: 1000 })
    const first = await group.nextBatch(worker)
    const next = worker.next()
    await group.advance(2000)
    expect(worker.shardIds.map((it) => it.slice(-1)).sort()).toEqual(['0', '1'])
    await group.progress(worker.checkpoint(first))
    const { value } = await group.progress(next)
    expect(value === undefined ? [] : keysOf(value)).toEqual(['b'])
    await group.progress(worker.close())
  })
})
