import { afterEach, beforeEach, expect, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { BrokerPlace } from './broker-place.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

let place: BrokerPlace

beforeEach(async () => {
  place = await BrokerPlace.open()
})

afterEach(async () => {
  await place.close()
})

test('producer and reader go on over brokers that come and go', async () => {
  const client = await connect(place.url)
  const states: string[] = []
  client.on('state', (state) => states.push(state))
  await client.createStream('orders', { shardCount: 2 })
  const producer = client.producer('orders', { batchRecordsMax: 20 })
  const reader = client.read('orders', { from: 'oldest', batchRecordsMax: 50 })
  const total = 3000
  const reading = (async () => {
    const byKey = new Map<string, number[]>()
    let seen = 0
    for await (const batch of reader) {
      for (const record of batch) {
        const key = record.partitionKey ?? ''
        byKey.set(key, [...(byKey.get(key) ?? []), Number(decoder.decode(record.data))])
        seen += 1
      }
      if (seen >= total) break
    }
    return byKey
  })()
  const keys = 7
  for (let i = 0; i < total; i += 1) {
    await producer.put({ key: `key-${i % keys}`, data: encoder.encode(String(i)) })
    if (i % 1000 === 500) {
      await place.stop()
      const reopened = new Promise((resolve) => client.on('state', resolve))
      await place.start()
      await reopened
    }
  }
  await producer.close()
  const byKey = await reading
  for (let key = 0; key < keys; key += 1) {
    const wanted = Array.from({ length: total }, (_, i) => i).filter((i) => i % keys === key)
    expect(byKey.get(`key-${key}`)).toEqual(wanted)
  }
  expect(states.filter((it) => it === 'reconnecting').length).toBe(3)
  await client.close()
  expect(states.at(-1)).toBe('closed')
})

test('calls that are made while there is no broker wait for the next one', async () => {
  const client = await connect(place.url)
  await client.createStream('orders')
  await place.stop()
  const put = client.put('orders', { key: 'a', data: encoder.encode('late') })
  const listed = client.listStreams()
  await expect(client.listStreams({}, { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
    name: 'TimeoutError',
  })
  await expect(client.listStreams({}, { timeoutMillis: 50 })).rejects.toMatchObject({
    code: 'CONNECTION_LOST',
  })
  await place.start()
  expect(await put).toMatchObject({ sequenceNumber: 1n, durability: 'disk' })
  expect((await listed).streamSummaries).toHaveLength(1)
  await client.close()
  await expect(client.listStreams()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
})

test('a resume token outlives broker and client', async () => {
  const first = await connect(place.url)
  await first.createStream('orders', { shardCount: 2 })
  const texts = Array.from({ length: 40 }, (_, i) => String(i))
  for (const text of texts) await first.put('orders', { key: text, data: encoder.encode(text) })
  const seen: string[] = []
  let token = ''
  for await (const batch of first.read('orders', { from: 'oldest', batchRecordsMax: 5 })) {
    for (const record of batch) seen.push(decoder.decode(record.data))
    token = batch.resumeToken
    if (seen.length >= 15) break
  }
  await first.close()
  await place.stop()
  await place.start()
  const second = await connect(place.url)
  for await (const batch of second.read('orders', { from: token })) {
    expect(batch.gap).toBeUndefined()
    for (const record of batch) seen.push(decoder.decode(record.data))
    if (seen.length >= texts.length) break
  }
  expect(seen.sort()).toEqual(texts.sort())
  await second.deleteStream('orders')
  while ((await second.listStreams()).streamSummaries.length > 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  await second.createStream('orders', { shardCount: 1 })
  await second.put('orders', { key: 'k', data: encoder.encode('of another stream') })
  const gaps: string[] = []
  for await (const batch of second.read('orders', { from: token })) {
    if (batch.gap !== undefined) gaps.push(batch.gap.shardId)
    if (batch.recordCount > 0) break
  }
  expect(gaps).toEqual(['shardId-000000000000', 'shardId-000000000001'])
  await second.close()
})
