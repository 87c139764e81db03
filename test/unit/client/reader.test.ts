import { beforeEach, describe, expect, test } from 'vitest'
import type { ReadOptions } from '../../../src/client/reader-options.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { encodeResumeToken } from '../../../src/client/resume-token.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import { type FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelStream } from '../../support/model-stream.ts'
import { Reading, textsOf } from './reader-harness.ts'

let reading: Reading
let clock: FakeClock
let stream: ModelStream

beforeEach(() => {
  reading = new Reading(2)
  clock = reading.clock
  stream = reading.stream
})

const read = (options?: ReadOptions, from = stream) => reading.read(options, from)
const take = (...args: Parameters<Reading['take']>) => reading.take(...args)
const nextBatch = (...args: Parameters<Reading['nextBatch']>) => reading.nextBatch(...args)
const progress = <Answer>(answer: Promise<Answer>) => reading.progress(answer)

describe('where it begins', () => {
  test('oldest: with all there is', async () => {
    stream.put(0, 'a', 'b')
    stream.put(1, 'c')
    expect((await take(read({ from: 'oldest' }), 3)).sort()).toEqual(['a', 'b', 'c'])
  })

  test('latest: with what comes after it is ready, however long nothing comes', async () => {
    stream.put(0, 'old')
    const reader = read()
    await reader.ready()
    stream.put(0, 'new')
    stream.restart()
    expect(await take(reader, 1)).toEqual(['new'])
  })

  test('at a time', async () => {
    const reader = read({ from: { time: new Date(5000) } })
    await reader.ready()
    expect(stream.calls).toContain('GetShardIterator')
    await reader.close()
  })

  test('in some shards alone', async () => {
    stream.put(0, 'a')
    stream.put(1, 'b')
    const reader = read({ from: 'oldest', shards: ['shardId-1'] })
    expect(await take(reader, 1)).toEqual(['b'])
    await clock.advance(1000)
    await reader.close()
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  test.each([
    ['a token of another stream', encodeResumeToken('other', []), /one of stream other/],
    ['no token', 'yesterday', /wanted 'latest', 'oldest'/],
    ['a token that is cut short', encodeResumeToken('s', []).slice(0, -2), /wanted 'latest'/],
    ['no time', { time: Number.NaN }, /from\.time is NaN/],
  ])('not at %s', (_, from, text) => {
    expect(() => read({ from })).toThrow(text)
    expect(() => read({ from })).toThrow(MillraceError)
  })

  test('not in shards that do not exist', async () => {
    await expect(read({ shards: ['shardId-7'] }).next()).rejects.toMatchObject({
      code: 'SHARD_NOT_FOUND',
      message: 'stream s has no shard shardId-7',
    })
  })
})

describe('batches', () => {
  test('say where they are from, and what they have', async () => {
    stream.put(1, 'a', 'b', 'c', 'd')
    const reader = read({ from: 'oldest' })
    const batch = await nextBatch(reader)
    expect(batch).toMatchObject({
      shardId: 'shardId-000000000001',
      recordCount: 3,
      firstSequenceNumber: 1n,
      millisBehindLatest: 1000,
      gap: undefined,
    })
    expect(Array.from(batch, (it) => it.sequenceNumber)).toEqual([1n, 2n, 3n])
    expect(textsOf(batch)).toEqual(['a', 'b', 'c'])
    expect(batch.bytes.length).toBeGreaterThan(0)
  })

  test('come one ahead of the loop, and not more', async () => {
    stream = new ModelStream(1)
    stream.put(0, ...Array.from({ length: 30 }, (_, i) => String(i)))
    const reader = read({ from: 'oldest' })
    await nextBatch(reader)
    const reads = () => stream.calls.filter((it) => it === 'GetRecords').length
    await clock.advance(1000)
    const seen = reads()
    await clock.advance(100_000)
    expect(reads()).toBe(seen)
    expect(seen).toBeLessThanOrEqual(1 + 2)
    await reader.close()
  })

  test('are asked for seldom while nothing comes, and often when something does', async () => {
    stream = new ModelStream(1)
    const reader = read()
    await reader.ready()
    const batch = reader.next()
    await clock.advance(2000)
    const calls = stream.calls.length
    expect(calls).toBeLessThan(22)
    stream.put(0, 'a')
    await clock.advance(200)
    expect(textsOf((await batch).value as RecordBatch)).toEqual(['a'])
    await reader.close()
    await clock.advance(60_000)
    expect(stream.calls.length - calls).toBeLessThan(12)
    expect([...clock.timers]).toEqual([])
  })
})

describe('resume tokens', () => {
  test('go on after the last batch that was delivered', async () => {
    stream.put(0, 'a', 'b', 'c', 'd', 'e')
    const first = read({ from: 'oldest' })
    const batch = await nextBatch(first)
    expect(textsOf(batch)).toEqual(['a', 'b', 'c'])
    await nextBatch(first)
    await first.close()
    stream.put(1, 'x')
    const rest = await take(read({ from: batch.resumeToken }), 3)
    expect(rest.sort()).toEqual(['d', 'e', 'x'])
  })

  test('tell of a stream that was created again, and read all of the new one', async () => {
    stream.put(0, 'a')
    const old = read({ from: 'oldest' })
    const { resumeToken } = await nextBatch(old)
    await old.close()
    const fresh = new ModelStream(1, 100n)
    fresh.put(0, 'other')
    const reader = read({ from: resumeToken }, fresh)
    const gaps: unknown[] = []
    reader.on('gap', (it) => gaps.push(it))
    const batches = [await nextBatch(reader), await nextBatch(reader), await nextBatch(reader)]
    expect(batches.map((it) => [it.gap?.shardId.slice(-1), it.gap?.lostFrom, textsOf(it)])).toEqual(
      [
        ['0', 2n, []],
        ['1', 1n, []],
        [undefined, undefined, ['other']],
      ],
    )
    expect(gaps).toHaveLength(2)
    const again = read({ from: (batches[2] as RecordBatch).resumeToken }, fresh)
    fresh.put(0, 'more')
    expect(await take(again, 1)).toEqual(['more'])
  })
})

describe('records that are gone', () => {
  test('are told of by an event and in the next batch', async () => {
    stream.put(0, 'a', 'b', 'c')
    const reader = read({ from: 'oldest', batchRecordsMax: 1 })
    const { resumeToken } = await nextBatch(reader)
    await reader.close()
    const shard = stream.shards[0]
    if (shard !== undefined) shard.trimmed = 2
    const later = read({ from: resumeToken })
    const gaps: unknown[] = []
    later.on('gap', (it) => gaps.push(it))
    const batch = await nextBatch(later)
    const gap = { shardId: 'shardId-000000000000', lostFrom: 2n, firstAvailable: 3n }
    expect(batch.gap).toEqual(gap)
    expect(gaps).toEqual([gap])
    expect(textsOf(batch)).toEqual(['c'])
  })

  test('end the iteration where that is wanted', async () => {
    stream.put(0, 'a', 'b', 'c')
    const reader = read({ from: 'oldest', batchRecordsMax: 1 })
    const { resumeToken } = await nextBatch(reader)
    const shard = stream.shards[0]
    if (shard !== undefined) shard.trimmed = 2
    const strict = read({ from: resumeToken, onGap: 'throw' })
    await expect(progress(strict.next())).rejects.toMatchObject({
      code: 'SEQUENCE_NUMBER_TRIMMED',
      message: expect.stringContaining('records 2 to 2 of shardId-000000000000'),
    })
  })

  test('because they are damaged are passed over', async () => {
    stream = new ModelStream(1)
    stream.put(0, 'a', 'b', 'c')
    let reads = 0
    stream.fail = (name) => {
      reads += name === 'GetRecords' ? 1 : 0
      // The first one finds out where to begin, the second one reads the first record.
      if (reads !== 3) return undefined
      reads += 1
      return new MillraceError('LOG_CORRUPT', undefined, { range: { start: 2n, end: 3n } })
    }
    const reader = read({ from: 'oldest', batchRecordsMax: 1 })
    const batches = [await nextBatch(reader), await nextBatch(reader), await nextBatch(reader)]
    expect(batches.map((it) => [it.gap?.lostFrom, it.gap?.firstAvailable, textsOf(it)])).toEqual([
      [undefined, undefined, ['a']],
      [2n, 3n, []],
      [undefined, undefined, ['c']],
    ])
  })
})

test('damage at the very beginning is passed over, too', async () => {
  stream = new ModelStream(1)
  stream.put(0, 'a', 'b', 'c')
  let reads = 0
  stream.fail = (name) => {
    reads += name === 'GetRecords' ? 1 : 0
    // Both the read that finds out where to begin and the first one for records meet it.
    if (name !== 'GetRecords' || reads > 2) return undefined
    return new MillraceError('LOG_CORRUPT', undefined, { range: { start: 1n, end: 3n } })
  }
  const reader = read({ from: 'oldest' })
  const batches = [await nextBatch(reader), await nextBatch(reader)]
  expect(batches.map((it) => [it.gap?.lostFrom, it.gap?.firstAvailable, textsOf(it)])).toEqual([
    [1n, 3n, []],
    [undefined, undefined, ['c']],
  ])
})

describe('failures', () => {
  test.each<ErrorCode>([
    'CONNECTION_LOST',
    'THROUGHPUT_EXCEEDED',
    'LIMIT_EXCEEDED',
    'INTERNAL',
    'LOG_FAILED',
    'ITERATOR_EXPIRED',
  ])('%s is lived with', async (code) => {
    stream = new ModelStream(1)
    stream.put(0, 'a', 'b', 'c', 'd', 'e', 'f')
    let count = 0
    stream.fail = (name) => {
      if (code === 'ITERATOR_EXPIRED' && name !== 'GetRecords') return undefined
      count += 1
      return count % 2 === 1 ? new MillraceError(code) : undefined
    }
    expect(await take(read({ from: 'oldest' }), 6)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })

  test.each<ErrorCode>(['STREAM_NOT_FOUND', 'CLIENT_CLOSED', 'ACCESS_DENIED', 'SERVER_CLOSING'])(
    '%s ends it, after what was read before',
    async (code) => {
      stream = new ModelStream(1)
      stream.put(0, 'a', 'b', 'c', 'd')
      const reader = read({ from: 'oldest' })
      await reader.ready()
      await clock.advance(1)
      stream.fail = () => new MillraceError(code)
      expect(textsOf(await nextBatch(reader))).toEqual(['a', 'b', 'c'])
      const rest = []
      const end = await progress(
        (async () => {
          for await (const batch of reader) rest.push(...textsOf(batch))
        })().then(String, (error: MillraceError) => error.code),
      )
      expect(end).toBe(code)
      expect(reader.state).toBe('closed')
      expect(await reader.next()).toEqual({ done: true, value: undefined })
    },
  )

  test('of a broker in trouble end it after a minute', async () => {
    const reader = read({ from: 'oldest' })
    await reader.ready()
    stream.fail = () => new MillraceError('LOG_FAILED')
    clock.luck = 0.5
    await expect(progress(reader.next())).rejects.toMatchObject({ code: 'LOG_FAILED' })
    expect(clock.millis).toBeGreaterThan(60_000)
  })
})

describe('the end', () => {
  test('comes with a break, which leaves nothing behind', async () => {
    stream.put(0, 'a')
    const reader = read({ from: 'oldest' })
    for await (const _ of reader) break
    await settle()
    expect(reader.state).toBe('closed')
    expect([...clock.timers]).toEqual([])
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  test('comes with the signal, whose reason the iteration has', async () => {
    const abort = new AbortController()
    const reader = read({ signal: abort.signal })
    const next = reader.next()
    await settle()
    abort.abort('enough')
    await expect(next).rejects.toBe('enough')
    await settle()
    expect([...clock.timers]).toEqual([])
    await expect(read({ signal: AbortSignal.abort('early') }).next()).rejects.toBe('early')
  })

  test('comes when all shards are closed and read, and none follows them', async () => {
    stream.put(0, 'a')
    stream.reshard([0, 1], 0)
    const reader = read({ from: 'oldest' })
    expect(await take(reader, 1)).toEqual(['a'])
    expect(await progress(reader.next())).toEqual({ done: true, value: undefined })
  })
})

test('states: it catches up, is live, and falls behind', async () => {
  stream = new ModelStream(1)
  stream.put(0, 'a', 'b', 'c', 'd')
  const reader = read({ from: 'oldest' })
  const states: string[] = []
  reader.on('state', (it) => states.push(it))
  await take(reader, 4)
  await clock.advance(10)
  stream.put(0, 'e', 'f', 'g', 'h')
  await take(reader, 4)
  await clock.advance(10)
  await reader.close()
  expect(states).toEqual(['catching-up', 'live', 'catching-up', 'live', 'closed'])
})
