/** A server that overwrites each frame of a put as soon as the broker's call is back. */

import { expect, test } from 'vitest'
import type { Broker } from '../../src/broker/broker.ts'
import { createLogger } from '../../src/server/logger.ts'
import type { ServedBroker } from '../../src/server/served-broker.ts'
import { startServer } from '../../src/server/server.ts'
import { BatchBuilder } from '../../src/wire/batch-builder.ts'
import { encodePutBatch, encodePutRecord, encodePutRecords } from '../../src/wire/put-builder.ts'
import { makeBroker, makeStream, readShard, textRecord } from '../unit/broker/harness.ts'
import { RawClient } from './raw-client.ts'

const streamName = 's'
const putsOfEach = 40

function overwriting(broker: Broker): ServedBroker {
  const put: ServedBroker['put'] = (frame, answer, ...rest) => {
    broker.put(frame, answer, ...rest)
    frame.fill(0xee)
  }
  return new Proxy(broker, {
    get(target, name) {
      if (name === 'put') return put
      const value = Reflect.get(target, name, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const textOf = (number: number) => `${number} ${'abcdefg'.repeat((number * 131) % 2500)}`

/** Number 0, 3, 6, ... are a PutRecord, those behind them PutRecords and PutBatch. */
function frameOf(number: number, durability: 'disk' | 'os'): Uint8Array {
  const target = { streamName, durability }
  const record = textRecord('key', textOf(number))
  if (number % 3 === 0) return encodePutRecord(number, target, record)
  if (number % 3 === 1) return encodePutRecords(number, target, [record])
  const builder = new BatchBuilder()
  builder.add('key', record.data)
  const { bytes: records, count } = builder
  return encodePutBatch(number, target, { shardIndex: 0, count, records })
}

test.each(['disk', 'os'] as const)('nothing of it is read later: %s', async (durability) => {
  const made = await makeBroker()
  const { broker } = made
  await makeStream(broker, streamName)
  const server = await startServer({
    ...{ broker: overwriting(broker), logger: createLogger({ level: 'silent' }) },
    ...{ port: 0, version: '1.2.3' },
  })
  const client = await RawClient.open(server.url)
  const numbers = Array.from({ length: 3 * putsOfEach }, (_, i) => i)
  // All of them are under way before the first is acknowledged.
  for (const number of numbers) client.socket.send(frameOf(number, durability))
  for (const _ of numbers) expect((await client.next())[2]).toBeNull()
  await client.close()
  await server.stop()
  await made.reopen()
  const texts = (await readShard(made.broker, streamName, '0')).map((it) => it.text)
  expect(texts).toEqual(numbers.map(textOf))
})
