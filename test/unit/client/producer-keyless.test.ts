/** Records without a key, as the producer sends them. */

import { beforeEach, expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { producerSettings } from '../../../src/client/producer-options.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ModelExchange, modelRetryMillis } from '../../support/model-exchange.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

let clock: FakeClock
let exchange: ModelExchange
let producer: Producer

beforeEach(() => {
  clock = new FakeClock()
  exchange = new ModelExchange()
  let nextId = 1n
  producer = new Producer({
    exchange,
    clock,
    streamName: 's',
    settings: producerSettings({ batchRecordsMax: 1, inFlightMax: 4 }, frameBytesMax),
    newId: () => nextId++,
  })
})

test('those without a key do not wait for one another, those of a key do', async () => {
  for (let i = 0; i < 3; i += 1) await producer.put({ data: encoder.encode(String(i)) })
  await clock.advance(0)
  const records = () => exchange.waiting.flatMap((it) => it.records)
  expect(records().map((it) => [it.key, decoder.decode(it.data)])).toEqual([
    [null, '0'],
    [null, '1'],
    [null, '2'],
  ])
  expect(new Set(exchange.waiting.map((it) => it.producerId)).size).toBe(3)
  for (let i = 0; i < 4; i += 1) await producer.put({ key: 'k', data: encoder.encode(`k${i}`) })
  await clock.advance(0)
  expect(records().filter((it) => it.key === 'k')).toHaveLength(1)
})

test('a shard without room holds up none of them but those that it refused', async () => {
  const put = (text: string) => producer.put({ data: encoder.encode(text) })
  const texts = () =>
    exchange.waiting.flatMap((it) => it.records.map(({ data }) => decoder.decode(data)))
  await put('refused')
  await clock.advance(0)
  const refused = exchange.waiting[0]
  refused?.store(() => 0)
  for (const text of ['1', '2', '3']) await put(text)
  await clock.advance(0)
  expect(texts()).toEqual(['1', '2', '3'])
  for (const it of [...exchange.waiting]) it.store()
  await clock.advance(modelRetryMillis)
  // As a request of its own, which goes to another shard.
  expect(texts()).toEqual(['refused'])
  const again = { producerId: refused?.producerId, producerSequence: 1 }
  expect(exchange.waiting[0]).toMatchObject(again)
  exchange.waiting[0]?.store()
  await producer.flush()
  expect(exchange.storedByKey().get('')?.sort()).toEqual(['1', '2', '3', 'refused'])
})
