import { beforeEach, describe, expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { type ProducerOptions, producerSettings } from '../../../src/client/producer-options.ts'
import { RecordsRefusedError, type RefusedRecord } from '../../../src/client/refusals.ts'
import { MillraceError } from '../../../src/errors.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelExchange } from '../../support/model-exchange.ts'

let clock: FakeClock
let exchange: ModelExchange
let nextId: bigint

beforeEach(() => {
  clock = new FakeClock()
  exchange = new ModelExchange()
  nextId = 1n
})

function makeProducer(options: ProducerOptions = {}): Producer {
  return new Producer({
    exchange,
    clock,
    streamName: 's',
    settings: producerSettings(options, frameBytesMax),
    newId: () => nextId++,
  })
}

const encoder = new TextEncoder()
const record = (key: string, text = '') => ({ key, data: encoder.encode(text) })
const textsOf = (put = exchange.waiting[0]) =>
  put?.records.map((it) => new TextDecoder().decode(it.data))

describe('requests', () => {
  test('hold what was put in one turn, and go in the next', async () => {
    const producer = makeProducer({ durability: 'os' })
    await producer.put(record('a', '1'))
    await producer.putMany([record('b', '2'), { ...record('c', '3'), explicitHashKey: 5n }])
    expect(exchange.waiting).toEqual([])
    await clock.advance(0)
    const [put] = exchange.waiting
    expect(textsOf()).toEqual(['1', '2', '3'])
    expect(put).toMatchObject({
      streamName: 's',
      durability: 'os',
      producerId: 1n,
      producerSequence: 0,
      repeatable: true,
    })
    expect(put?.explicitHashKeys?.map((it) => it?.[15])).toEqual([undefined, undefined, 5])
    put?.store()
    await producer.flush()
    expect(producer.stats).toMatchObject({ acknowledgedRecords: 3, bufferedBytes: 0, requests: 1 })
  })

  test('wait for more as long as they are told, but not once they are full', async () => {
    const producer = makeProducer({ lingerMillis: 20, batchRecordsMax: 2 })
    await producer.put(record('a'))
    await clock.advance(19)
    expect(exchange.waiting).toHaveLength(0)
    await clock.advance(1)
    expect(exchange.waiting).toHaveLength(1)
    await producer.putMany([record('b'), record('c')])
    expect(exchange.waiting).toHaveLength(2)
    await producer.put(record('d'))
    const flushed = producer.flush()
    expect(exchange.waiting).toHaveLength(3)
    for (const put of [...exchange.waiting]) put.store()
    await flushed
  })

  test('fill while others are on their way', async () => {
    const producer = makeProducer({ inFlightMax: 1 })
    await producer.put(record('a'))
    await clock.advance(0)
    for (let i = 0; i < 10; i += 1) {
      await producer.put(record('a'))
      await clock.advance(1)
    }
    expect(exchange.waiting).toHaveLength(1)
    exchange.waiting[0]?.store()
    await settle()
    expect(exchange.waiting[0]?.records).toHaveLength(10)
  })

  test('are cut by bytes, and a large record goes alone', async () => {
    const producer = makeProducer({ batchBytesMax: 1000 })
    const sizes = [300, 300, 300, 300, 5000, 300]
    await producer.putMany(sizes.map((size) => record('k', 'x'.repeat(size))))
    const seen: number[] = []
    await clock.advance(0)
    while (exchange.waiting.length > 0) {
      seen.push(exchange.waiting[0]?.records.length ?? 0)
      exchange.waiting[0]?.store()
      await settle()
    }
    expect(seen).toEqual([3, 1, 1, 1])
  })

  test('copy the data: it may change after it was taken', async () => {
    const producer = makeProducer()
    const { key, data } = record('a', 'before')
    await producer.put({ key, data })
    data.set(encoder.encode('after!'))
    await clock.advance(0)
    expect(textsOf()).toEqual(['before'])
  })
})

describe('the order of a key', () => {
  test('holds: its later records wait while earlier ones are on their way', async () => {
    clock.luck = 0.5
    const producer = makeProducer()
    await producer.put(record('a', '1'))
    await clock.advance(0)
    await producer.putMany([record('a', '2'), record('b', '3')])
    await clock.advance(0)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['1'], ['3']])
    exchange.waiting[0]?.store(() => 'DISK_FULL')
    await settle()
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['3']])
    await clock.advance(50)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['3'], ['1']])
    exchange.waiting[1]?.store()
    await settle()
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['3'], ['2']])
  })
})

describe('refused records', () => {
  test('are tried again without those that are stored, under a new number', async () => {
    const producer = makeProducer()
    await producer.putMany([record('a', '1'), record('b', '2'), record('d', '3')])
    await clock.advance(0)
    const refused = exchange.shardOf('b')
    exchange.waiting[0]?.store((shard) => (shard === refused ? 'SHARD_CLOSED' : undefined))
    await clock.advance(50)
    expect(textsOf()).toEqual(['2'])
    expect(exchange.waiting[0]).toMatchObject({ producerId: 1n, producerSequence: 1 })
    exchange.waiting[0]?.store()
    await producer.flush()
    expect(producer.stats).toMatchObject({ acknowledgedRecords: 3, retries: 1, requests: 2 })
  })

  test('are told one by one, to a listener', async () => {
    const producer = makeProducer()
    const told: RefusedRecord[] = []
    producer.on('refused', (it) => told.push(it))
    await producer.putMany([record('a', '1'), record('b', '2'), record('d', '3')])
    await clock.advance(0)
    const refused = exchange.shardOf('b')
    exchange.waiting[0]?.store((shard) => (shard === refused ? 'LOG_CORRUPT' : undefined))
    await producer.flush()
    expect(told).toMatchObject([{ ordinal: 1, key: 'b', error: { code: 'LOG_CORRUPT' } }])
    expect(new TextDecoder().decode(told[0]?.data)).toBe('2')
    expect(producer.stats).toMatchObject({ acknowledgedRecords: 2, refusedRecords: 1 })
  })

  test('make flush fail where nobody listens, once', async () => {
    const producer = makeProducer()
    await producer.putMany([record('a', '1'), record('b', '2')])
    const flushed = producer.flush()
    exchange.waiting[0]?.fail(new MillraceError('STREAM_NOT_FOUND', 'Stream s not found.'))
    const error = await flushed.then(String, (it: unknown) => it)
    expect(error).toBeInstanceOf(RecordsRefusedError)
    expect(error).toMatchObject({
      code: 'STREAM_NOT_FOUND',
      message: '2 records were refused; the first, number 0: Stream s not found.',
      refusedCount: 2,
      refused: [
        { ordinal: 0, key: 'a' },
        { ordinal: 1, key: 'b' },
      ],
    })
    await producer.flush()
  })

  test('are given up after a while, each under the last reason', async () => {
    const producer = makeProducer({ retryMillisMax: 1000 })
    const told: string[] = []
    producer.on('refused', (it) => told.push(it.error.code))
    await producer.put(record('a'))
    await clock.advance(0)
    for (let i = 0; i < 100 && exchange.waiting.length > 0; i += 1) {
      exchange.waiting[0]?.store(() => 'DISK_FULL')
      clock.luck = 0.5
      await clock.advance(5000)
    }
    expect(told).toEqual(['DISK_FULL'])
    expect(producer.stats).toMatchObject({ bufferedBytes: 0, refusedRecords: 1 })
  })

  test('keep what they are: key, data and explicit hash key', async () => {
    const producer = makeProducer()
    const keys = ['\ufeffa', 'x'.repeat(256), '\u{1f600}'.repeat(256)]
    await producer.put({ ...record(keys[0] ?? '', '1'), explicitHashKey: 7n })
    await producer.putMany([record(keys[1] ?? '', 'y'.repeat(70_000)), record(keys[2] ?? '')])
    await clock.advance(0)
    // All but the number of the request, which stands at its end.
    const bodyOf = () => Buffer.from(exchange.waiting[0]?.frame.subarray(7, -5) ?? [])
    const first = bodyOf()
    exchange.waiting[0]?.store(() => 'DISK_FULL')
    await clock.advance(50)
    expect(exchange.waiting[0]?.producerSequence).toBe(1)
    expect(bodyOf().equals(first)).toBe(true)
    expect(exchange.waiting[0]?.records.map((it) => it.key)).toEqual(keys)
  })

  test('do not spoil the others: one that is too large is found', async () => {
    const producer = makeProducer()
    const told: number[] = []
    producer.on('refused', (it) => told.push(it.ordinal))
    await producer.putMany(Array.from({ length: 500 }, (_, i) => record('k', String(i))))
    await clock.advance(0)
    while (exchange.waiting.length > 0) {
      const isBad = textsOf()?.includes('321') === true
      if (isBad) exchange.waiting[0]?.fail(new MillraceError('RECORD_TOO_LARGE'))
      else exchange.waiting[0]?.store()
      await settle()
    }
    expect(told).toEqual([321])
    const expected = Array.from({ length: 500 }, (_, i) => String(i)).filter((it) => it !== '321')
    expect(exchange.storedByKey().get('k')).toEqual(expected)
  })
})

describe('a request whose fate is open', () => {
  test.each(['LOG_FAILED', 'INTERNAL'] as const)('(%s) is repeated as it was', async (code) => {
    const producer = makeProducer()
    await producer.putMany([record('a', '1'), record('b', '2')])
    await clock.advance(0)
    const [first] = exchange.waiting
    first?.storeSilently(new MillraceError(code))
    await clock.advance(50)
    const [second] = exchange.waiting
    expect(second?.frame.subarray(7)).toEqual(first?.frame.subarray(7))
    second?.store()
    await producer.flush()
    expect(exchange.shards.flat()).toHaveLength(2)
  })

  test('is not repeated by a producer that the broker does not know', async () => {
    const producer = makeProducer({ idempotent: false })
    await producer.put(record('a', '1'))
    const flushed = producer.flush()
    expect(exchange.waiting[0]).toMatchObject({ producerId: 0n, repeatable: false })
    exchange.waiting[0]?.storeSilently(new MillraceError('LOG_FAILED'))
    await expect(flushed).rejects.toMatchObject({ code: 'LOG_FAILED', refusedCount: 1 })
  })

  test('is given up where the connection has given it up', async () => {
    const producer = makeProducer()
    await producer.put(record('a', '1'))
    const flushed = producer.flush()
    exchange.waiting[0]?.fail(new MillraceError('CONNECTION_LOST'))
    await expect(flushed).rejects.toMatchObject({ code: 'CONNECTION_LOST' })
  })

  test('makes the producer take another name when it has become too old', async () => {
    const producer = makeProducer({ inFlightMax: 1 })
    await producer.put(record('a', '1'))
    const flushed = producer.flush()
    exchange.waiting[0]?.store(() => 'PRODUCER_SEQUENCE_GAP')
    await expect(flushed).rejects.toMatchObject({ code: 'PRODUCER_SEQUENCE_GAP' })
    await producer.put(record('a', '2'))
    await clock.advance(0)
    expect(exchange.waiting[0]).toMatchObject({ producerId: 2n, producerSequence: 0 })
  })
})

test('acknowledgements come for single records that want them', async () => {
  const producer = makeProducer()
  const acks = ['a', 'b', 'd'].map((key) =>
    producer.putAcknowledged(record(key)).then(
      (it) => `${it.shardId.slice(-1)} ${it.sequenceNumber} ${it.durability}`,
      (error: MillraceError) => error.code,
    ),
  )
  await clock.advance(0)
  const refused = exchange.shardOf('b')
  exchange.waiting[0]?.store((shard) => (shard === refused ? 'LOG_CORRUPT' : undefined))
  const shard = exchange.shardOf('a')
  expect(exchange.shardOf('d')).toBe(shard)
  expect(await Promise.all(acks)).toEqual([`${shard} 1 disk`, 'LOG_CORRUPT', `${shard} 2 disk`])
  await producer.flush()
})

describe('the bound of memory', () => {
  test('makes put wait, and lets it go on in order', async () => {
    const producer = makeProducer({ bytesMax: 1000, batchBytesMax: 500 })
    const order: number[] = []
    const puts = Array.from({ length: 10 }, (_, i) =>
      producer.put(record('k', 'x'.repeat(265))).then(() => order.push(i)),
    )
    await settle()
    expect(order).toEqual([0, 1, 2])
    while (order.length < 10) {
      await clock.advance(0)
      exchange.waiting[0]?.store()
      await settle()
    }
    await Promise.all(puts)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect(producer.stats.bufferedBytesPeak).toBeLessThanOrEqual(1000)
  })

  test('lets a signal end the waiting, which takes no room', async () => {
    const producer = makeProducer({ bytesMax: 400 })
    await producer.put(record('k', 'x'.repeat(300)))
    const abort = new AbortController()
    const large = producer.put(record('k', 'x'.repeat(200)), { signal: abort.signal })
    const small = producer.put(record('k', '2'))
    abort.abort('enough')
    await expect(large).rejects.toBe('enough')
    await small
    const flushed = producer.flush()
    exchange.waiting[0]?.store()
    await flushed
    expect(exchange.shards.flat()).toHaveLength(2)
    expect(producer.stats.bufferedBytes).toBe(0)
  })

  test('refuses what would never fit', async () => {
    const producer = makeProducer({ bytesMax: 400 })
    await expect(producer.put(record('k', 'x'.repeat(400)))).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      message: expect.stringContaining('bytesMax'),
    })
  })

  test('makes a loop of puts wait for the next turn after each MiB', async () => {
    const producer = makeProducer()
    let taken = 0
    const loop = (async () => {
      for (; taken < 3000; taken += 1) await producer.put(record('k', 'x'.repeat(1000)))
    })()
    await settle()
    expect(taken).toBeGreaterThan(900)
    expect(taken).toBeLessThan(1050)
    await clock.advance(1)
    await clock.advance(1)
    await loop
  })
})

describe('bad records', () => {
  test.each([
    ['an empty key', { key: '', data: new Uint8Array() }, RangeError],
    ['a long key', { key: 'x'.repeat(257), data: new Uint8Array() }, RangeError],
    ['half of a pair', { key: '\ud800', data: new Uint8Array() }, RangeError],
    ['a key that is none', { key: 7 as never, data: new Uint8Array() }, TypeError],
    ['data that is none', { key: 'k', data: 'text' as never }, TypeError],
    ['a hash key below', { key: 'k', data: new Uint8Array(), explicitHashKey: -1n }, MillraceError],
  ])('%s is refused at once, and holds nothing', async (_, bad, kind) => {
    const producer = makeProducer()
    await expect(producer.put(bad)).rejects.toBeInstanceOf(kind)
    expect(producer.stats.bufferedBytes).toBe(0)
    await producer.put(record('k', 'good'))
    await clock.advance(0)
    expect(exchange.waiting).toHaveLength(1)
    expect(textsOf()).toEqual(['good'])
  })

  test.each([
    [{ batchRecordsMax: 501 }, /batchRecordsMax is 501/],
    [{ batchBytesMax: 2 ** 30 }, /batchBytesMax/],
    [{ inFlightMax: 0 }, /inFlightMax/],
    [{ lingerMillis: -1 }, /lingerMillis/],
    [{ bytesMax: 1.5 }, /bytesMax/],
  ])('options %j are refused', (options, text) => {
    expect(() => makeProducer(options)).toThrow(text)
  })
})

describe('close', () => {
  test('sends what is held, and takes no more', async () => {
    const producer = makeProducer({ bytesMax: 400 })
    await producer.put(record('k', 'x'.repeat(300)))
    const waiting = producer.put(record('k', 'x'.repeat(300)))
    const closed = producer.close()
    await expect(waiting).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await expect(producer.put(record('k'))).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    exchange.waiting[0]?.store()
    await closed
    expect(exchange.shards.flat()).toHaveLength(1)
    expect([...clock.timers]).toEqual([])
  })

  test('fails with what the end of the client left behind', async () => {
    const producer = makeProducer({ inFlightMax: 1, batchRecordsMax: 1 })
    await producer.putMany([record('a'), record('b')])
    const closed = producer.close()
    const end = new MillraceError('CLIENT_CLOSED')
    exchange.waiting[0]?.fail(end)
    await settle()
    exchange.waiting[0]?.fail(end)
    await expect(closed).rejects.toMatchObject({ code: 'CLIENT_CLOSED', refusedCount: 2 })
  })
})
