/** A producer whose records go to shards with limits. */

import { beforeEach, expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { type ProducerOptions, producerSettings } from '../../../src/client/producer-options.ts'
import { MillraceError } from '../../../src/errors.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'
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
  expect(exchange.waiting[0]).toMatchObject({ producerId: 1n, producerSequence: 1 })
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
  expect(exchange.waiting[0]).toMatchObject({ producerSequence: 1 })
  exchange.waiting[0]?.store()
  await producer.flush()
  expect(exchange.storedByKey().get('a')).toEqual(['1', '2', '3'])
})
