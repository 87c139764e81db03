import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, connect } from '../../src/client/node.ts'
import { MillraceError } from '../../src/errors.ts'
import { Random } from '../support/random.ts'
import { BrokerPlace } from './broker-place.ts'
import { CuttingProxy } from './cutting-proxy.ts'
import { storedByKey } from './stored-by-key.ts'

const encoder = new TextEncoder()

let place: BrokerPlace
let direct: Client

beforeAll(async () => {
  const shardLimits = { recordsPerSecond: 200, bytesPerSecond: 100_000, bytesBurst: 100_000 }
  place = await BrokerPlace.open({ shardLimits })
  direct = await connect(place.url)
})

afterAll(async () => {
  await direct.close()
  await place.close()
})

test('a producer works through throttled shards without loss or repeat, through cuts', async () => {
  const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const random = new Random(seed)
  await direct.createStream('hot', { shardCount: 2, streamMode: 'PROVISIONED' })
  const proxy = await CuttingProxy.open(place.port)
  proxy.nextCut = () =>
    random.chance(2)
      ? { upBytes: 20_000 + random.below(100_000) }
      : { downBytes: 200 + random.below(2000) }
  const client = await connect(proxy.url)
  const producer = client.producer('hot', { batchRecordsMax: 40, durability: 'os' })
  const wanted = new Map<string, string[]>()
  const count = 1200
  for (let i = 0; i < count; i += 1) {
    const key = `key-${i % 23}`
    const text = `${i} ${'x'.repeat(random.below(i % 10 === 0 ? 3000 : 300))}`
    wanted.set(key, [...(wanted.get(key) ?? []), text])
    await producer.put({ key, data: encoder.encode(text) })
  }
  await producer.close()
  const replay = `MILLRACE_SEED=${seed}`
  expect(producer.stats, replay).toMatchObject({ acknowledgedRecords: count, refusedRecords: 0 })
  // It waited as it was told: who asks at once again and again sends thousands.
  expect(producer.stats.retries, replay).toBeGreaterThan(2)
  expect(producer.stats.requests, replay).toBeLessThan(count / 3)
  expect(proxy.cuts, replay).toBeGreaterThan(2)
  expect(await storedByKey(direct, 'hot', count), replay).toEqual(wanted)
  await client.close()
  await proxy.close()
}, 60_000)

test('one hot key holds up nobody else: neither by its requests nor by its memory', async () => {
  await direct.createStream('mixed', { shardCount: 2, streamMode: 'PROVISIONED' })
  const client = await connect(place.url)
  const options = { batchRecordsMax: 50, bytesMax: 64 * 1024, durability: 'os' } as const
  const producer = client.producer('mixed', options)
  const data = (text: string) => encoder.encode(text.padEnd(100))
  // 5 times what its shard takes within a second, as fast as there is room.
  const hotCount = 1000
  let hotAcknowledged = 0
  const hot = Array.from({ length: hotCount }, async (_, i) => {
    await producer.putAcknowledged({ key: 'hot', data: data(String(i)), explicitHashKey: 0n })
    hotAcknowledged += 1
  })
  await expect.poll(() => hotAcknowledged, { timeout: 10_000 }).toBeGreaterThan(0)
  for (let i = 0; i < 100; i += 1) {
    const explicitHashKey = 2n ** 128n - 1n
    await producer.putAcknowledged({ key: `cold-${i % 7}`, data: data(String(i)), explicitHashKey })
  }
  // A hundred round trips one after the other, while the hot ones wait for their seconds.
  expect(hotAcknowledged).toBeLessThan(hotCount / 2)
  await Promise.all(hot)
  const { retries, refusedRecords } = producer.stats
  expect({ refusedRecords, hotAcknowledged }).toEqual({
    refusedRecords: 0,
    hotAcknowledged: hotCount,
  })
  expect(retries).toBeLessThan(100)
  await producer.close()
  const stored = await storedByKey(direct, 'mixed', hotCount + 100)
  const numbers = (key: string) => stored.get(key)?.map((it) => Number(it))
  expect(numbers('hot')).toEqual(Array.from({ length: hotCount }, (_, i) => i))
  expect(numbers('cold-3')).toEqual(Array.from({ length: 14 }, (_, i) => 3 + 7 * i))
  await client.close()
}, 60_000)

test('a single put is told how long to wait, and /metrics counts what was refused', async () => {
  await direct.createStream('one', { shardCount: 1, streamMode: 'PROVISIONED' })
  const { desiredShardLevelMetrics } = await direct.enableEnhancedMonitoring('one', ['ALL'])
  expect(desiredShardLevelMetrics).toHaveLength(7)
  const records = Array.from({ length: 500 }, () => ({ key: 'k', data: new Uint8Array(9) }))
  const { records: results, failedRecordCount } = await direct.putRecords('one', records, {
    durability: 'os',
  })
  expect(failedRecordCount).toBe(300)
  expect(results.filter((it) => it.error === undefined)).toHaveLength(200)
  const text = 'Rate exceeded for shard shardId-000000000000 in stream one.'
  const refusal = { code: 'THROUGHPUT_EXCEEDED', message: text, retryable: true }
  expect(results.at(-1)?.error).toBeInstanceOf(MillraceError)
  expect(results.at(-1)?.error).toMatchObject(refusal)
  expect(results.at(-1)?.error?.retryAfterMs).toBeGreaterThan(0)
  const answer = await fetch(`http://127.0.0.1:${place.port}/metrics`)
  const lines = (await answer.text()).split('\n')
  const labels = '{stream="one",shard="shardId-000000000000"}'
  expect(lines).toContain(`millrace_shard_append_records_total${labels} 200`)
  expect(lines).toContain(`millrace_shard_append_bytes_total${labels} 2000`)
  expect(lines).toContain(`millrace_shard_append_throttled_records_total${labels} 300`)
})
