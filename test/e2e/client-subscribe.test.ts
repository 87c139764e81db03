import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { lastingPort, startCli, temporaryDirectory } from './cli-process.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

test('brokers are killed under our subscriptions: each record once, in order', async () => {
  const data = temporaryDirectory()
  const port = await lastingPort()
  const args = ['serve', '--listen', `127.0.0.1:${port}`, '--data', data]
  let broker = startCli(args)
  const client = await connect(`ws://127.0.0.1:${port}`, { connectTimeoutMillis: 30_000 })
  onTestFinished(() => client.close())
  await client.createStream('orders', { shardCount: 2 })
  const producer = client.producer('orders', { batchRecordsMax: 25, bytesMax: 65_536 })
  const keys = 11
  const kills = 4
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
  // Three of the same stream: the second and the third need connections of their own.
  const subscriptions = [
    client.subscribe('orders', { from: 'oldest' }),
    client.subscribe('orders', { from: 'oldest', creditBytes: 3000 }),
    client.subscribe('orders', { from: 'oldest', shards: ['0', '1'] }),
  ]
  const seen = subscriptions.map(() => ({ byKey: new Map<string, number[]>(), count: 0 }))
  const reading = subscriptions.map(async (subscription, index) => {
    const mine = seen[index] as (typeof seen)[number]
    for await (const batch of subscription) {
      expect(batch.gap).toBeUndefined()
      for (const record of batch) {
        const key = record.partitionKey
        const numbers = mine.byKey.get(key) ?? []
        mine.byKey.set(key, numbers)
        numbers.push(Number(decoder.decode(record.data)))
        mine.count += 1
      }
    }
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
  while (seen.some((it) => it.count < count)) await new Promise((resolve) => setTimeout(resolve, 5))
  for (const it of subscriptions) await it.close()
  await Promise.all(reading)
  for (const mine of seen) {
    expect(mine.count).toBe(count)
    for (let key = 0; key < keys; key += 1) {
      const wanted = Array.from({ length: count }, (_, i) => i).filter((i) => i % keys === key)
      expect(mine.byKey.get(`key-${key}`)).toEqual(wanted)
    }
  }
})
