import { beforeEach, describe, expect, test } from 'vitest'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import type { SequenceNumber } from '../../../src/log/log.ts'
import { streamName } from '../broker/fan-out/harness.ts'
import { GroupHarness, keysOf } from './group-harness.ts'

let group: GroupHarness

beforeEach(async () => {
  group = await GroupHarness.make(2)
})

const put = (shard: number, ...keys: string[]) => group.fanOut.put(shard, keys)

describe('where it begins', () => {
  test('latest: with what has come since the consumer was registered', async () => {
    await put(0, 'before')
    await group.later()
    await group.program().verbs.registerStreamConsumer(streamName, 'billing')
    await group.later()
    await put(0, 'after')
    const worker = group.worker()
    expect(await group.take(worker, 1)).toEqual(['after'])
    await group.progress(worker.close())
  })

  test('oldest: with all there is, for a consumer that it registers', async () => {
    await put(0, 'a')
    await put(1, 'b')
    const worker = group.worker({ from: 'oldest' })
    expect((await group.take(worker, 2)).sort()).toEqual(['a', 'b'])
    expect(worker.shardIds).toHaveLength(2)
    await group.progress(worker.close())
  })

  test('at a time', async () => {
    await put(0, 'a')
    await group.later()
    const time = Date.now()
    await put(0, 'b')
    const worker = group.worker({ from: { time } })
    expect(await group.take(worker, 1)).toEqual(['b'])
    await group.progress(worker.close())
  })

  test('at its checkpoints, whatever is said', async () => {
    await put(0, 'a', 'b')
    await put(0, 'c')
    const first = group.worker({ from: 'oldest', creditBytes: 1 })
    expect(await group.take(first, 3)).toEqual(['a', 'b', 'c'])
    await group.progress(first.close())
    expect(await group.checkpoints()).toEqual({ 0: '3', 1: '1' })
    const second = group.worker({ from: 'oldest' })
    expect(await group.take(second, 1)).toEqual(['c'])
    await group.progress(second.close())
  })

  test.each([
    [{ from: 'token' as never }, /from is token, a consumer begins at 'latest'/],
    [{ leaseMillis: 999 }, /leaseMillis is 999, it must be an integer of 1000 to 300000/],
    [{ checkpointMillis: 0 }, /checkpointMillis is 0/],
    [{ creditBytes: 2 ** 21 }, /creditBytes is 2097152/],
    [{ leasesMax: 0 }, /leasesMax is 0/],
  ])('not with %o', (options, text) => {
    expect(() => group.worker(options)).toThrow(text)
  })

  test('not where the consumer is missing and shall not be registered', async () => {
    const worker = group.worker({ register: false })
    const error = { code: 'CONSUMER_NOT_FOUND' }
    await expect(group.progress(worker.next())).rejects.toMatchObject(error)
    await expect(worker.ready()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await worker.close()
  })
})

describe('checkpoints', () => {
  test('follow the loop: a batch is done when the next one is asked for', async () => {
    await put(0, 'a')
    const worker = group.worker({ from: 'oldest', checkpointMillis: 200 })
    await group.take(worker, 1)
    await group.wrote('0', '1')
    await group.advance(1000)
    expect((await group.checkpoints())[0]).toBe('1')
    const next = worker.next()
    await group.wrote('0', '2')
    await group.progress(worker.close())
    expect(await next).toEqual({ done: true, value: undefined })
  })

  test('are written at the end; the batch at hand is delivered again', async () => {
    for (const it of ['a', 'b', 'c']) await put(0, it)
    const worker = group.worker({ from: 'oldest', creditBytes: 1, checkpointMillis: 3_600_000 })
    for await (const batch of worker) if (keysOf(batch).includes('b')) break
    expect((await group.checkpoints())[0]).toBe('2')
    expect(await group.leases()).toEqual({})
    const again = group.worker({ from: 'oldest' })
    expect(await group.take(again, 2)).toEqual(['b', 'c'])
    await group.progress(again.close())
  })

  test('that are manual are on disk when they answer, and only they are', async () => {
    for (const it of ['a', 'b', 'c']) await put(0, it)
    const worker = group.worker({ from: 'oldest', creditBytes: 1, checkpoints: 'manual' })
    await group.nextBatch(worker)
    const second = await group.nextBatch(worker)
    await group.nextBatch(worker)
    await group.wrote('0', '1')
    await group.advance(3000)
    expect((await group.checkpoints())[0]).toBe('1')
    await group.progress(worker.checkpoint(second))
    expect((await group.checkpoints())[0]).toBe('3')
    await group.progress(worker.close())
    expect((await group.checkpoints())[0]).toBe('3')
  })

  test('of a shard that begins behind others do not pass what waits with it', async () => {
    const { verbs } = group.program()
    for (const it of ['a', 'b', 'c']) for (const shard of [0, 1]) await put(shard, it)
    await verbs.registerStreamConsumer(streamName, 'billing')
    const other = { workerId: 'other', leaseMillis: 1000, leasesMax: 1 }
    expect((await verbs.acquireLeases(streamName, 'billing', other)).acquired).toHaveLength(1)
    const worker = group.worker({ from: 'oldest', checkpoints: 'manual' })
    await group.progress(worker.ready())
    expect(worker.shardIds).toHaveLength(1)
    await group.until(() => worker.shardIds.length === 2)
    await group.advance(200)
    for (let batches = 0; batches < 2; batches += 1) await group.nextBatch(worker)
    await group.wrote('0', '1')
    await group.wrote('1', '1')
    await group.advance(3000)
    expect(await group.checkpoints()).toEqual({ 0: '1', 1: '1' })
    await group.progress(worker.close())
    const heir = group.worker({ from: 'oldest' })
    expect((await group.take(heir, 6)).sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c'])
    await group.progress(heir.close())
  })

  test('of batches of somebody else are refused', async () => {
    await put(0, 'a')
    const [one, other] = [group.worker({ from: 'oldest' }), group.worker({ consumer: 'other' })]
    const batch = await group.nextBatch(one)
    await expect(other.checkpoint(batch)).rejects.toThrow(TypeError)
    await group.progress(Promise.all([one.close(), other.close()]))
  })

  test('follow single records, too', async () => {
    await put(0, 'a', 'b', 'c')
    const worker = group.worker({ from: 'oldest' })
    const seen: string[] = []
    const reading = (async () => {
      for await (const record of worker.records()) {
        seen.push(record.partitionKey ?? '')
        if (record.partitionKey === 'c') break
      }
    })()
    await group.progress(reading)
    expect(seen).toEqual(['a', 'b', 'c'])
    expect((await group.checkpoints())[0]).toBe('3')
  })
})

describe('the end', () => {
  test.each<ErrorCode>(['STREAM_NOT_FOUND', 'CONSUMER_NOT_FOUND'])(
    'comes with %s',
    async (code) => {
      const worker = group.worker()
      await group.progress(worker.ready())
      const next = worker.next()
      next.catch(() => undefined)
      const { verbs } = group.program()
      if (code === 'STREAM_NOT_FOUND') {
        await verbs.deleteStream(streamName, { enforceConsumerDeletion: true })
      } else {
        await verbs.deregisterStreamConsumer(streamName, 'billing')
      }
      await expect(group.progress(next)).rejects.toMatchObject({ code })
      await group.progress(worker.close())
      expect(worker.state).toBe('closed')
    },
  )

  test('comes with the signal; the leases are given back', async () => {
    const abort = new AbortController()
    const worker = group.worker({ signal: abort.signal })
    await group.progress(worker.ready())
    const next = worker.next()
    abort.abort('enough')
    await expect(next).rejects.toBe('enough')
    await group.progress(worker.close())
    expect(await group.leases()).toEqual({})
    const late = group.worker({ signal: AbortSignal.abort('early') })
    await expect(late.next()).rejects.toBe('early')
    await late.close()
  })

  test('is told where nothing can be written down', async () => {
    const program = group.program()
    await put(0, 'a')
    const worker = group.worker({ from: 'oldest' }, program)
    const batch = await group.nextBatch(worker)
    program.isDead = true
    const calls = [worker.checkpoint(batch), worker.close()]
    for (const it of calls) it.catch(() => undefined)
    await group.advance(10_000)
    for (const it of calls) {
      await expect(it).rejects.toMatchObject({
        code: 'CONNECTION_LOST',
        message: 'the checkpoints could not be written within 10000 ms',
      })
    }
  })

  test.each([false, true])(
    'waits for a checkpoint that is under way; its connection is lost: %s',
    async (isLost) => {
      const program = group.program()
      await put(0, 'a')
      const worker = group.worker({ from: 'oldest', checkpoints: 'manual' }, program)
      const batch = await group.nextBatch(worker)
      let losses = isLost ? 1 : 0
      program.answered = (name) => {
        if (name !== 'SetCheckpoint' || losses === 0) return
        losses -= 1
        throw new MillraceError('CONNECTION_LOST')
      }
      const writing = worker.checkpoint(batch)
      if (isLost) await group.until(() => losses === 0)
      await group.progress(Promise.all([writing, worker.close()]))
      expect((await group.checkpoints())[0]).toBe('2')
      expect(await group.leases()).toEqual({})
    },
  )

  test('refuses checkpoints behind it, but for what is written down', async () => {
    await put(0, 'a')
    await put(0, 'b')
    const worker = group.worker({ from: 'oldest', checkpoints: 'manual', creditBytes: 1 })
    const batches = [await group.nextBatch(worker), await group.nextBatch(worker)] as const
    await group.progress(worker.checkpoint(batches[0]))
    await group.progress(worker.close())
    await worker.checkpoint(batches[0])
    await expect(worker.checkpoint(batches[1])).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    expect((await group.checkpoints())[0]).toBe('2')
  })

  test('comes when everything is written down', async () => {
    await put(0, 'a')
    const worker = group.worker({ from: 'oldest' })
    await group.take(worker, 1)
    const next = worker.next()
    void worker.close()
    expect(await group.progress(next)).toEqual({ done: true, value: undefined })
    expect(await group.leases()).toEqual({})
    expect((await group.checkpoints())[0]).toBe('2')
  })

  test('leaves no timer behind', async () => {
    const worker = group.worker()
    await group.progress(worker.ready())
    await group.progress(worker.close())
    expect([...group.clock.timers]).toEqual([])
  })
})

test('records that are gone are told of: the checkpoint lies before what there is', async () => {
  const number = group.fanOut.shard(0).number
  for (const it of ['a', 'b', 'c', 'd']) await group.fanOut.put(0, [it], 40_000)
  await group.program().verbs.registerStreamConsumer(streamName, 'billing')
  const checkpoint = { shardId: '0', nextSequenceNumber: 2n }
  await group.program().verbs.setCheckpoint(streamName, 'billing', checkpoint)
  await group.fanOut.log.trim(number, 4n as SequenceNumber)
  const { firstSequenceNumber: firstAvailable } = await group.fanOut.log.shardStats(number)
  expect(firstAvailable).toBeGreaterThan(2n)
  const worker = group.worker()
  const gaps: unknown[] = []
  worker.on('gap', (it) => gaps.push(it))
  const { gap } = await group.nextBatch(worker)
  expect(gap).toEqual({ shardId: 'shardId-000000000000', lostFrom: 2n, firstAvailable })
  expect(gaps).toEqual([gap])
  expect((await group.take(worker, 1)).at(-1)).toBe('d')
  await group.progress(worker.close())
})

test('states: it catches up, and is live, also without a shard', async () => {
  await put(0, 'a')
  const worker = group.worker({ from: 'oldest' })
  const states: string[] = []
  worker.on('state', (it) => states.push(it))
  await group.take(worker, 1)
  const next = worker.next()
  await group.until(() => worker.state === 'live')
  const third = group.worker()
  const fourth = group.worker()
  await group.progress(Promise.all([third.ready(), fourth.ready()]))
  await group.until(() => fourth.state === 'live')
  await group.progress(worker.close())
  expect(states).toEqual(['catching-up', 'live', 'closed'])
  await next
  await group.progress(Promise.all([third.close(), fourth.close()]))
})
