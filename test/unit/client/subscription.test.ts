import { describe, expect, test } from 'vitest'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { decodeResumeToken, encodeResumeToken } from '../../../src/client/resume-token.ts'
import { MillraceError } from '../../../src/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { numbers, textsOf, usePushHarness } from './push-harness.ts'

const harness = usePushHarness()

/** Batches of one record each, of so many bytes at least. */
function putMany(count: number, bytes = 0): void {
  for (let i = 0; i < count; i += 1) harness.broker.put(0, `${i} ${'x'.repeat(bytes)}`)
}

describe('where it begins', () => {
  test('oldest: with all there is', async () => {
    harness.broker.put(0, 'a', 'b')
    harness.broker.put(1, 'c')
    expect((await harness.take(harness.subscribe({ from: 'oldest' }), 3)).sort()).toEqual([
      'a',
      'b',
      'c',
    ])
  })

  test('latest: with what comes after it is ready, however long nothing comes', async () => {
    harness.broker.put(0, 'old')
    const subscription = harness.subscribe()
    await harness.progress(subscription.ready())
    harness.broker.cut()
    harness.broker.put(0, 'new')
    expect(await harness.take(subscription, 1)).toEqual(['new'])
  })

  test('in some shards alone', async () => {
    harness.broker.put(0, 'a')
    harness.broker.put(1, 'b')
    const subscription = harness.subscribe({ from: 'oldest', shards: ['shardId-1'] })
    expect(await harness.take(subscription, 1)).toEqual(['b'])
    await harness.clock.advance(1000)
    await subscription.close()
    expect(await subscription.next()).toEqual({ done: true, value: undefined })
  })

  test('in some shards alone, a child behind a parent that is to come', async () => {
    // 0 is split into 2 and 3, and 3 is merged with 1, which is soon read.
    for (let i = 0; i < 50; i += 1) harness.broker.put(0, `a${i}`)
    harness.broker.put(1, 'b')
    harness.broker.reshard([0], 2)
    harness.broker.put(3, 'c')
    harness.broker.reshard([3, 1], 1)
    harness.broker.put(4, 'd')
    const options = { from: 'oldest', shards: ['0', '1'], creditBytes: 2 } as const
    const texts = await harness.take(harness.subscribe(options), 53)
    expect(texts.slice(-2)).toEqual(['c', 'd'])
    // Without the other shards nobody waits for it.
    const alone = harness.subscribe({ from: 'oldest', shards: ['1'] })
    expect(await harness.take(alone, 2)).toEqual(['b', 'd'])
  })

  test('in the middle of a batch: what lies before is passed over', async () => {
    harness.broker.put(0, 'a', 'b', 'c')
    const number = harness.broker.stream.shards[0]?.number ?? 0n
    const position = { shardId: 'shardId-000000000000', shardNumber: number, next: 2n }
    const subscription = harness.subscribe({ from: encodeResumeToken('s', [position]) })
    const batch = await harness.nextBatch(subscription)
    expect([textsOf(batch), batch.firstSequenceNumber, batch.recordCount]).toEqual([
      ['b', 'c'],
      2n,
      2,
    ])
  })

  test.each([
    [{ from: encodeResumeToken('other', []) }, /one of stream other/],
    [{ from: 'yesterday' }, /wanted 'latest', 'oldest'/],
    [{ from: { time: Number.NaN } }, /from\.time is NaN/],
    [{ creditBytes: 0 }, /creditBytes is 0, it must be an integer of 1 to 1048576/],
    [{ shards: [] }, /the id of a shard at least/],
  ])('not with %o', (options, text) => {
    expect(() => harness.subscribe(options)).toThrow(text)
  })

  test('not in shards that do not exist', async () => {
    const subscription = harness.subscribe({ shards: ['shardId-7'] })
    await expect(harness.progress(subscription.next())).rejects.toMatchObject({
      code: 'SHARD_NOT_FOUND',
    })
    await expect(subscription.ready()).rejects.toMatchObject({ code: 'SHARD_NOT_FOUND' })
  })
})

describe('batches', () => {
  test('are slices, and say where they are from', async () => {
    harness.broker.put(1, 'a', 'b')
    harness.broker.put(1, 'c')
    const batch = await harness.nextBatch(harness.subscribe({ from: 'oldest' }))
    expect(batch).toMatchObject({
      shardId: 'shardId-000000000001',
      recordCount: 3,
      firstSequenceNumber: 1n,
      gap: undefined,
    })
    expect(batch.millisBehindLatest).toBeGreaterThan(0)
    expect(Array.from(batch, (it) => it.sequenceNumber)).toEqual([1n, 2n, 3n])
    expect(textsOf(batch)).toEqual(['a', 'b', 'c'])
    const [first, second] = harness.broker.stream.shards[1]?.batches ?? []
    expect(Buffer.from(batch.bytes)).toEqual(
      Buffer.concat([first?.bytes ?? Buffer.of(), second?.bytes ?? Buffer.of()]),
    )
  })

  test('come in the same moment as the answer that they belong to', async () => {
    putMany(6)
    harness.broker.isHeld = true
    const subscription = harness.subscribe({ from: 'oldest' })
    await settle()
    harness.broker.deliver()
    harness.broker.isHeld = false
    expect(await harness.take(subscription, 6)).toHaveLength(6)
  })

  test('have tokens that stay what they are when the reading goes on', async () => {
    for (let i = 0; i < 300; i += 1) harness.broker.put(i % 2, String(i))
    const subscription = harness.subscribe({ from: 'oldest' })
    const batches: RecordBatch[] = []
    for (let count = 0; count < 300; ) {
      const batch = await harness.nextBatch(subscription)
      batches.push(batch)
      count += batch.recordCount
    }
    const middle = batches[Math.floor(batches.length / 2)] as RecordBatch
    const before = batches.slice(0, batches.indexOf(middle) + 1).flatMap(textsOf)
    await subscription.close()
    const after = await harness.take(
      harness.subscribe({ from: middle.resumeToken }),
      300 - before.length,
    )
    expect([...before, ...after].toSorted()).toEqual(numbers(0, 300).toSorted())
    expect(batches.at(-1)?.resumeToken).toBe(subscription.resumeToken)
  })
})

describe('records that are gone', () => {
  const lost = { shardId: 'shardId-000000000000', lostFrom: 2n, firstAvailable: 4n }

  test.each(['trimmed', 'damaged'])('%s: an event, and a batch that says so', async (how) => {
    await harness.start(1)
    for (const text of ['a', 'b', 'c', 'd']) harness.broker.put(0, text)
    const first = harness.subscribe({ from: 'oldest', creditBytes: 1 })
    const { resumeToken } = await harness.nextBatch(first)
    await first.close()
    const [shard] = harness.broker.stream.shards
    if (how === 'trimmed') shard?.trim(3)
    else for (const it of shard?.batches.slice(1, 3) ?? []) it.isDamaged = true
    const second = harness.subscribe({ from: resumeToken })
    const gaps: unknown[] = []
    second.on('gap', (it) => gaps.push(it))
    const seen = []
    for (let records = 0; records < 1; ) {
      const batch = await harness.nextBatch(second)
      records += batch.recordCount
      seen.push(batch.gap, ...textsOf(batch))
    }
    const told =
      how === 'trimmed'
        ? [lost]
        : [
            { ...lost, firstAvailable: 3n },
            { ...lost, lostFrom: 3n },
          ]
    expect(seen).toEqual([...told, undefined, 'd'])
    expect(gaps).toEqual(told)
  })

  test('of a shard that is read by itself are told, too', async () => {
    for (const text of ['a', 'b', 'c', 'd']) harness.broker.put(0, text)
    harness.broker.stream.shards[0]?.trim(3)
    const number = harness.broker.stream.shards[0]?.number ?? 0n
    const position = { shardId: 'shardId-000000000000', shardNumber: number, next: 2n }
    const token = encodeResumeToken('s', [position])
    const subscription = harness.subscribe({ from: token, shards: ['0'] })
    expect((await harness.nextBatch(subscription)).gap).toEqual(lost)
    expect(textsOf(await harness.nextBatch(subscription))).toEqual(['d'])
  })

  test('end the iteration where that is wanted, after what came before them', async () => {
    await harness.start(1)
    for (const text of ['a', 'b', 'c']) harness.broker.put(0, text)
    const damaged = harness.broker.stream.shards[0]?.batches[1]
    if (damaged !== undefined) damaged.isDamaged = true
    const subscription = harness.subscribe({ from: 'oldest', onGap: 'throw' })
    await settle()
    expect(await harness.take(subscription, 1)).toEqual(['a'])
    await expect(harness.progress(subscription.next())).rejects.toMatchObject({
      code: 'SEQUENCE_NUMBER_TRIMMED',
      message: expect.stringContaining('records 2 to 2 of shardId-000000000000'),
    })
    expect(subscription.state).toBe('closed')
  })

  test.each([{}, { shards: ['0', '1'] }])(
    'with the stream, which was created again: %o',
    async (options) => {
      harness.broker.put(0, 'a')
      const first = harness.subscribe({ from: 'oldest', ...options })
      const { resumeToken } = await harness.nextBatch(first)
      await first.close()
      harness.broker.stream.create(1)
      harness.broker.put(0, 'other')
      const second = harness.subscribe({ from: resumeToken, ...options })
      const gaps = [(await harness.nextBatch(second)).gap, (await harness.nextBatch(second)).gap]
      expect(gaps.map((it) => [it?.shardId.slice(-1), it?.lostFrom, it?.firstAvailable])).toEqual([
        ['0', 2n, undefined],
        ['1', 1n, undefined],
      ])
      if ('shards' in options) return
      expect(await harness.take(second, 1)).toEqual(['other'])
    },
  )

  test('a shard that is read by itself is not taken for one of the same name', async () => {
    harness.broker.put(0, 'a')
    const subscription = harness.subscribe({ from: 'oldest', shards: ['0'] })
    expect(await harness.take(subscription, 1)).toEqual(['a'])
    harness.broker.stream.create(1)
    harness.broker.put(0, 'b', 'c')
    harness.broker.cut()
    await expect(harness.progress(subscription.next())).rejects.toMatchObject({
      code: 'SHARD_NOT_FOUND',
    })
  })
})

test('states: it catches up, is live, and falls behind', async () => {
  await harness.start(1)
  harness.broker.put(0, 'a', 'b')
  const subscription = harness.subscribe({ from: 'oldest' })
  const states: string[] = []
  subscription.on('state', (it) => states.push(it))
  await settle()
  expect(states).toEqual(['catching-up'])
  await harness.take(subscription, 2)
  const next = subscription.next()
  await settle()
  expect(states).toEqual(['catching-up', 'live'])
  harness.broker.cut()
  harness.broker.put(0, 'c')
  await harness.progress(next)
  expect(states).toEqual(['catching-up', 'live', 'catching-up'])
  await subscription.close()
  expect(states.at(-1)).toBe('closed')
})

describe.each([{}, { shards: ['0', '1'] }])('splits and merges, %o', (options) => {
  test('children follow when all of their parents are read', async () => {
    harness.broker.put(0, 'a1')
    harness.broker.put(0, 'a2')
    harness.broker.put(1, 'b1')
    const subscription = harness.subscribe({ from: 'oldest', ...options })
    await harness.progress(subscription.ready())
    harness.broker.reshard([0, 1], 1)
    harness.broker.put(2, 'c1')
    harness.broker.reshard([2], 2)
    harness.broker.put(3, 'd1')
    harness.broker.put(4, 'd2')
    const texts = await harness.take(subscription, 6)
    expect(texts.slice(0, 3).sort()).toEqual(['a1', 'a2', 'b1'])
    expect([texts[3], ...texts.slice(4).sort()]).toEqual(['c1', 'd1', 'd2'])
  })

  test('it goes on between the end of a parent and its child', async () => {
    harness.broker.put(0, 'a')
    harness.broker.put(1, 'b')
    harness.broker.reshard([0], 2)
    const first = harness.subscribe({ from: 'oldest', ...options })
    await harness.progress(first.ready())
    const seen = await harness.take(first, 2)
    await first.close()
    harness.broker.reshard([1, 2], 1)
    harness.broker.put(3, 'c')
    harness.broker.put(4, 'd')
    const second = harness.subscribe({ from: first.resumeToken, ...options })
    seen.push(...(await harness.take(second, 2)))
    expect(seen.sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('finished shards are remembered until their children are begun', async () => {
    harness.broker.put(0, 'a')
    const subscription = harness.subscribe({ from: 'oldest', ...options })
    await harness.progress(subscription.ready())
    harness.broker.reshard([0, 1], 1)
    harness.broker.put(2, 'b')
    const seen = await harness.take(subscription, 2)
    const positions = decodeResumeToken(subscription.resumeToken, 's')
    expect(seen).toEqual(['a', 'b'])
    expect(positions.map((it) => it.shardId.slice(-1))).toEqual(['2'])
  })
})

test('a finished shard whose children wait is finished on the next connection, too', async () => {
  const subscription = harness.subscribe({ from: 'oldest' })
  await harness.progress(subscription.ready())
  harness.broker.put(0, 'a')
  const [first, second] = harness.broker.stream.shards
  harness.broker.reshard([0, 1], 1)
  if (second !== undefined) second.isClosed = false
  expect(await harness.take(subscription, 1)).toEqual(['a'])
  const next = subscription.next()
  harness.broker.cut()
  await harness.clock.advance(1000)
  expect(harness.broker.streamRequests.at(-1)?.resume).toEqual([
    { shardNumber: first?.number, nextSequenceNumber: undefined },
    { shardNumber: second?.number, nextSequenceNumber: 1n },
  ])
  await subscription.close()
  await next
})

describe('numbers that no record has', () => {
  test('are passed over where a heartbeat says so', async () => {
    const subscription = harness.subscribe({ from: 'oldest' })
    await harness.progress(subscription.ready())
    harness.broker.stream.shards[0]?.skip(5)
    harness.broker.wake()
    await settle()
    harness.broker.heartbeat()
    await settle()
    harness.broker.put(0, 'a')
    const batch = await harness.nextBatch(subscription)
    expect([batch.gap, batch.firstSequenceNumber]).toEqual([undefined, 6n])
  })

  test('are a gap where nobody has said so', async () => {
    const subscription = harness.subscribe({ from: 'oldest' })
    await harness.progress(subscription.ready())
    harness.broker.stream.shards[0]?.skip(5)
    harness.broker.put(0, 'a')
    expect((await harness.nextBatch(subscription)).gap).toMatchObject({
      lostFrom: 1n,
      firstAvailable: 6n,
    })
    expect(await harness.take(subscription, 1)).toEqual(['a'])
  })
})

test('a batch that comes with the end of its shard is delivered before that counts', async () => {
  const subscription = harness.subscribe({ from: 'oldest' })
  await harness.progress(subscription.ready())
  const next = subscription.next()
  await settle()
  harness.broker.stream.put(0, 'a')
  harness.broker.reshard([0], 2)
  const { value } = await next
  const placesOf = (token: string | undefined) =>
    decodeResumeToken(token ?? '', 's').map((it) => `${it.shardId.slice(-1)} ${it.next}`)
  expect(placesOf(value?.resumeToken)).toEqual(['0 2', '1 1'])
  const following = subscription.next()
  await settle()
  expect(placesOf(subscription.resumeToken).sort()).toEqual(['1 1', '2 2', '3 2'])
  await subscription.close()
  await following
})

test('a token has the beginnings of children whose records wait to be delivered', async () => {
  const subscription = harness.subscribe({ from: 'oldest' })
  await harness.progress(subscription.ready())
  harness.broker.put(0, 'a')
  harness.broker.reshard([0], 2)
  harness.broker.put(2, 'b')
  harness.broker.put(3, 'c')
  await settle()
  expect(await harness.take(subscription, 1)).toEqual(['a'])
  const { resumeToken } = await harness.nextBatch(subscription)
  await subscription.close()
  const rest = harness.subscribe({ from: resumeToken })
  expect(await harness.take(rest, 1)).toEqual(['c'])
  await rest.close()
})

test('a token has the places of all wanted shards, also of one that begins late', async () => {
  const subscription = harness.subscribe({ from: 'oldest', shards: ['0', '1'] })
  let refusals = 1
  harness.broker.refuse = (name) => {
    if (name !== 'SubscribeToShard' || refusals === 0) return undefined
    refusals -= 1
    return new MillraceError('LIMIT_EXCEEDED')
  }
  harness.broker.put(1, 'a')
  harness.broker.put(0, 'b')
  const { shardId, resumeToken } = await harness.nextBatch(subscription)
  await subscription.close()
  const rest = harness.subscribe({ from: resumeToken, shards: ['0', '1'] })
  const batch = await harness.nextBatch(rest)
  expect([shardId.slice(-1), batch.shardId.slice(-1)].sort()).toEqual(['0', '1'])
  await rest.close()
})
