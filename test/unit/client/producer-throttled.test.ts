/** A producer whose records go to shards with limits. */

import { beforeEach, describe, expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { type ProducerOptions, producerSettings } from '../../../src/client/producer-options.ts'
import { MillraceError } from '../../../src/errors.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelExchange, modelRetryMillis } from '../../support/model-exchange.ts'

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

test('refused records wait as long as the broker says', async () => {
  const producer = makeProducer()
  await producer.putMany(['1', '2', '3', '4', '5'].map((it) => record('a', it)))
  await producer.put(record('b', 'other'))
  await clock.advance(0)
  const throttled = exchange.shardOf('a')
  exchange.waiting[0]?.store((shard) => (shard === throttled ? 2 : undefined))
  await clock.advance(modelRetryMillis - 1)
  expect(exchange.waiting).toEqual([])
  await clock.advance(1)
  expect(textsOf()).toEqual(['3', '4', '5'])
  // Aside they come from another producer: there are 8 for what is not.
  expect(exchange.waiting[0]).toMatchObject({ producerId: 9n, producerSequence: 0 })
  exchange.waiting[0]?.store(() => 2)
  await clock.advance(modelRetryMillis)
  exchange.waiting[0]?.store()
  await producer.flush()
  expect(exchange.storedByKey().get('a')).toEqual(['1', '2', '3', '4', '5'])
  expect(producer.stats).toMatchObject({ acknowledgedRecords: 6, requests: 3, retries: 2 })
})

test('they wait longer and longer, but only while nothing goes through', async () => {
  clock.luck = 1
  const producer = makeProducer()
  await producer.putMany(['1', '2', '3'].map((it) => record('a', it)))
  await clock.advance(0)
  const waits: number[] = []
  for (const room of [0, 0, 0, 1, 0, 3]) {
    exchange.waiting[0]?.store(() => room)
    const since = clock.millis
    while (exchange.waiting.length === 0 && clock.millis - since < 2000) await clock.advance(1)
    waits.push(clock.millis - since - modelRetryMillis)
  }
  expect(waits.slice(0, -1)).toEqual([50, 100, 200, 50, 100])
  await producer.flush()
  expect(exchange.storedByKey().get('a')).toEqual(['1', '2', '3'])
})

test('a request whose answer was lost comes again as it was, then what it refused', async () => {
  const producer = makeProducer()
  await producer.putMany(['1', '2', '3'].map((it) => record('a', it)))
  await clock.advance(0)
  const first = exchange.waiting[0]
  first?.storeSilently(new MillraceError('LOG_FAILED'), () => 2)
  await clock.advance(50)
  expect(exchange.waiting[0]?.frame.subarray(7)).toEqual(first?.frame.subarray(7))
  exchange.waiting[0]?.store()
  await clock.advance(modelRetryMillis + 50)
  expect(textsOf()).toEqual(['3'])
  expect(exchange.waiting[0]).toMatchObject({ producerId: 9n, producerSequence: 0 })
  exchange.waiting[0]?.store()
  await producer.flush()
  expect(exchange.storedByKey().get('a')).toEqual(['1', '2', '3'])
})

describe('a shard without room', () => {
  const full = (shard: number) => (shard === exchange.shardOf('a') ? 0 : undefined)

  test('holds up no record of another one', async () => {
    const producer = makeProducer({ inFlightMax: 1 })
    await producer.putMany([record('a', '1'), record('b', '2')])
    await clock.advance(0)
    await producer.putMany([record('a', '3'), record('b', '4')])
    exchange.waiting[0]?.store(full)
    await clock.advance(0)
    // What was behind goes on, but for the later records of the key.
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['4']])
    exchange.waiting[0]?.store(full)
    await producer.putMany([record('b', '5'), record('a', '6'), record('b', '7')])
    await clock.advance(0)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['5', '7']])
    exchange.waiting[0]?.store(full)
    await clock.advance(modelRetryMillis)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['1', '3', '6']])
    exchange.waiting[0]?.store()
    await producer.flush()
    expect(exchange.storedByKey().get('a')).toEqual(['1', '3', '6'])
    expect(exchange.storedByKey().get('b')).toEqual(['2', '4', '5', '7'])
    expect(producer.stats).toMatchObject({ requests: 4, retries: 1, bufferedBytes: 0 })
  })

  test('takes no more than half of the memory', async () => {
    const producer = makeProducer({ bytesMax: 4100, batchRecordsMax: 3 })
    const large = (key: string, text: string) => record(key, text + 'x'.repeat(465))
    await producer.put(large('a', '1'))
    await clock.advance(0)
    exchange.waiting[0]?.store(full)
    await settle()
    const entered: string[] = []
    const put = (key: string, text: string) =>
      producer.put(large(key, text)).then(() => entered.push(text))
    const puts = ['2', '3', '4', '5', '6'].map((text) => put('a', text))
    await settle()
    expect(entered).toEqual(['2', '3', '4'])
    puts.push(put('b', 'other'))
    await settle()
    expect(entered).toEqual(['2', '3', '4', 'other'])
    // When the key has nothing left that is held, what waits still comes before what is new.
    await clock.advance(modelRetryMillis)
    while (producer.stats.bufferedRecords > 0) {
      puts.push(put('a', `new ${puts.length}`))
      for (const it of [...exchange.waiting]) it.store()
      await clock.advance(0)
      if (puts.length > 20) break
    }
    for (let i = 0; i < 50; i += 1) {
      for (const it of [...exchange.waiting]) it.store()
      await clock.advance(1)
    }
    await Promise.all(puts)
    await producer.flush()
    const stored = exchange.storedByKey().get('a') ?? []
    expect(stored).toHaveLength(puts.length)
    const numbers = stored.map((it) => Number(/\d+/.exec(it)))
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
    expect(producer.stats.bufferedBytesPeak).toBeLessThanOrEqual(4100)
  })

  test('lets a key go back to the others when nothing of it is held', async () => {
    const producer = makeProducer({ inFlightMax: 1 })
    await producer.put(record('a', '1'))
    await clock.advance(0)
    exchange.waiting[0]?.store(full)
    await clock.advance(modelRetryMillis)
    exchange.waiting[0]?.store()
    await producer.flush()
    await producer.putMany([record('b', '2'), record('a', '3')])
    await clock.advance(0)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['2', '3']])
    expect(exchange.waiting[0]).toMatchObject({ producerId: 1n })
    exchange.waiting[0]?.store()
    await producer.close()
    expect([...clock.timers]).toEqual([])
  })

  test('lets a signal end the waiting for it', async () => {
    const producer = makeProducer({ bytesMax: 1000 })
    await producer.put(record('a', 'x'.repeat(400)))
    await clock.advance(0)
    exchange.waiting[0]?.store(full)
    await settle()
    const abort = new AbortController()
    const waiting = producer.put(record('a', 'y'.repeat(400)), { signal: abort.signal })
    abort.abort('enough')
    await expect(waiting).rejects.toBe('enough')
    await clock.advance(modelRetryMillis)
    exchange.waiting[0]?.store()
    await producer.flush()
    await producer.putMany([record('a', '3'), record('b', '4')])
    await clock.advance(0)
    expect(exchange.waiting.map((it) => textsOf(it))).toEqual([['3', '4']])
  })
})
