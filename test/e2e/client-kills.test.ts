import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { type Client, connect, type RecordBatch } from '../../src/client/node.ts'
import { lastingPort, startCli, temporaryDirectory } from './cli-process.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const keys = 11
const kills = 4

type Reading = AsyncIterable<RecordBatch> & { close(): Promise<void> }

/** What a reading has brought. */
class Seen {
  readonly byKey = new Map<string, number[]>()
  count = 0

  async readAll(batches: Reading): Promise<void> {
    for await (const batch of batches) {
      expect(batch.gap).toBeUndefined()
      for (const record of batch) {
        const key = record.partitionKey ?? ''
        const numbers = this.byKey.get(key) ?? []
        this.byKey.set(key, numbers)
        numbers.push(Number(decoder.decode(record.data)))
        this.count += 1
      }
    }
  }
}

/** Three of the same stream: the second and the third need connections of their own. */
function subscribeThrice(client: Client): Reading[] {
  return [
    client.subscribe('orders', { from: 'oldest' }),
    client.subscribe('orders', { from: 'oldest', creditBytes: 3000 }),
    client.subscribe('orders', { from: 'oldest', shards: ['0', '1'] }),
  ]
}

test.each([
  ['reader', (client: Client) => [client.read('orders', { from: 'oldest' })]],
  ['subscriptions', subscribeThrice],
])('brokers are killed under our producer and %s: each record once, in order', async (_, open) => {
  const data = temporaryDirectory()
  const port = await lastingPort()
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', data]
  let broker = startCli(args)
  const client = await connect(`ws://127.0.0.1:${port}`, { connectTimeoutMillis: 30_000 })
  onTestFinished(() => client.close())
  await client.createStream('orders', { shardCount: 2 })
  const producer = client.producer('orders', { batchRecordsMax: 25, bytesMax: 65_536 })
  let count = 0
  let isOver = false
  const producing = (async () => {
    while (!isOver) {
      const text = String(count)
      await producer.put({ key: `key-${count % keys}`, data: encoder.encode(text) })
      count += 1
      if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await producer.close()
  })()
  const all = open(client).map((reading) => {
    const seen = new Seen()
    return { reading, seen, ended: seen.readAll(reading) }
  })
  for (let kill = 0; kill < kills; kill += 1) {
    // Kills come while records are on their way: as soon as a few hundred more are acknowledged.
    const target = producer.stats.acknowledgedRecords + 300
    while (producer.stats.acknowledgedRecords < target) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const gone = once(broker, 'exit')
    broker.kill('SIGKILL')
    await gone
    broker = startCli(args)
  }
  isOver = true
  await producing
  while (all.some(({ seen }) => seen.count < count)) {
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  for (const { reading } of all) await reading.close()
  await Promise.all(all.map(({ ended }) => ended))
  expect(producer.stats).toMatchObject({ acknowledgedRecords: count, refusedRecords: 0 })
  for (const { seen } of all) {
    expect(seen.count).toBe(count)
    for (let key = 0; key < keys; key += 1) {
      const wanted = Array.from({ length: count }, (_, i) => i).filter((i) => i % keys === key)
      expect(seen.byKey.get(`key-${key}`)).toEqual(wanted)
    }
  }
})
