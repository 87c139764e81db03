/** Data that breaks parsers: it passes as it is, and a handler that it breaks gets past it. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, connect, handleBatches } from '../../src/client/node.ts'
import { BrokerPlace } from './broker-place.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })
const bytes = (...values: readonly number[]) => Uint8Array.from(values)
const text = (it: string) => encoder.encode(it)

/** Each breaks somebody: a parser of JSON or of MessagePack, a decoder of UTF-8, a log of ours. */
const poison: ReadonlyMap<string, Uint8Array> = new Map([
  ['nothing', bytes()],
  ['JSON that ends', text('{"a":')],
  ['JSON that is deep', text('['.repeat(100_000))],
  ['JSON with a byte order mark', bytes(0xef, 0xbb, 0xbf, 0x31, 0x2c)],
  ['JSON of NaN', text('NaN')],
  ['MessagePack that is never used', bytes(0xc1)],
  ['MessagePack that claims too much', bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
  ['MessagePack that is deep', new Uint8Array(100_000).fill(0x91)],
  ['a header of a batch', bytes(0x9b, 0xce, 0, 0, 0, 0, 0xcf, 0, 0, 0, 0, 0, 0, 0, 0)],
  ['zeroes', new Uint8Array(4096)],
  ['UTF-8 that is overlong', bytes(0xc0, 0xaf)],
  ['half a surrogate', bytes(0xed, 0xa0, 0x80)],
  ['UTF-8 that ends', bytes(0xf0, 0x9f, 0x92)],
  ['bytes of no text', new Uint8Array(1000).fill(0xff)],
])

let place: BrokerPlace
let client: Client

beforeAll(async () => {
  place = await BrokerPlace.open()
  client = await connect(place.url)
  for (const name of ['orders', 'orders-failed']) {
    await client.createStream(name, { shardCount: 1 })
    await client.untilActive(name)
  }
})

afterAll(async () => {
  await client.close()
  await place.close()
})

/** The data of so many records from the beginning of a stream, with their keys. */
async function read(streamName: string, count: number): Promise<[string | undefined, Buffer][]> {
  const records: [string | undefined, Buffer][] = []
  for await (const batch of client.subscribe(streamName, { from: 'oldest', verify: true })) {
    for (const { partitionKey, data } of batch) records.push([partitionKey, Buffer.from(data)])
    if (records.length >= count) break
  }
  return records
}

test('poison records pass as they are, and are put aside by a worker that goes on', async () => {
  const wanted: [string, Buffer][] = [['first', Buffer.from('1')]]
  const producer = client.producer('orders')
  await producer.put({ key: 'first', data: text('1') })
  for (const [key, data] of poison) {
    await producer.put({ key, data })
    await producer.put({ key: 'between', data: text('2') })
    wanted.push([key, Buffer.from(data)], ['between', Buffer.from('2')])
  }
  await producer.close()
  expect(await read('orders', wanted.length)).toEqual(wanted)

  const options = { consumer: 'billing', from: 'oldest', checkpoints: 'manual' } as const
  const consumer = client.consume('orders', options)
  const handled: number[] = []
  const errors: unknown[] = []
  await handleBatches(
    consumer,
    async (records) => {
      const parsed = records.map(({ data }) => JSON.parse(decoder.decode(data)) as number)
      handled.push(...parsed)
    },
    {
      retries: 1,
      onFailure: async ({ partitionKey, data }, error) => {
        errors.push(error)
        await client.put('orders-failed', { key: partitionKey, data })
      },
      onHandled: async (batch) => {
        await consumer.checkpoint(batch)
        if (handled.length + errors.length === wanted.length) void consumer.close()
      },
    },
  )
  const [checkpoint] = await client.getCheckpoints('orders', 'billing')
  expect(checkpoint?.nextSequenceNumber).toBe(BigInt(wanted.length + 1))
  expect(errors).toHaveLength(poison.size)
  expect(handled).toEqual([1, ...Array.from(poison, () => 2)])
  expect(await read('orders-failed', poison.size)).toEqual(
    Array.from(poison, ([key, data]) => [key, Buffer.from(data)]),
  )
})
