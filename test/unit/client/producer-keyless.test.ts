/** Records without a key, as the producer sends them. */

import { expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { producerSettings } from '../../../src/client/producer-options.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { ModelExchange } from '../../support/model-exchange.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

test('those without a key do not wait for one another, those of a key do', async () => {
  const clock = new FakeClock()
  const exchange = new ModelExchange()
  let nextId = 1n
  const producer = new Producer({
    exchange,
    clock,
    streamName: 's',
    settings: producerSettings({ batchRecordsMax: 1, inFlightMax: 4 }, frameBytesMax),
    newId: () => nextId++,
  })
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
