/** A stream that splits its shards under load by itself, and merges them when it is over. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { type Client, connect } from '../../src/client/node.ts'
import { startServer } from '../../src/server/server.ts'
import type { ScalingEvent } from '../../src/stream/scaling/scaling.ts'
import { FakeLogger } from '../unit/server/fakes.ts'

const streamName = 'orders'
const keyCount = 20
const scaling = {
  shardRecordsPerSecond: 100,
  lookMillis: 20,
  splitMillis: 200,
  mergeMillis: 600,
  cooldownMillis: 100,
  shardsMin: 1,
  shardsMax: 4,
} as const

async function makeClient(events: ScalingEvent[]): Promise<Client> {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-scaling-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const broker = await Broker.open({
    dir: join(dir, 'data'),
    logOptions: { diskLowWaterBytes: 1 },
    scaling,
    onScaling: (event) => events.push(event),
  })
  onTestFinished(() => broker.close())
  const logger = new FakeLogger()
  const server = await startServer({ broker, port: 0, logger, version: 'test' })
  onTestFinished(() => server.stop())
  const client = await connect(server.url)
  onTestFinished(() => client.close())
  return client
}

async function openShardCount(client: Client): Promise<number> {
  return (await client.describeStreamSummary(streamName)).openShardCount
}

/** Has everything of the stream pushed, by key in the order in which it comes. */
function readAll(client: Client) {
  const byKey: string[][] = Array.from({ length: keyCount }, () => [])
  const subscription = client.subscribe(streamName, { from: 'oldest' })
  const reading = (async () => {
    for await (const batch of subscription) {
      expect(batch.gap).toBe(undefined)
      for (const { partitionKey, data } of batch) {
        byKey[Number(partitionKey)]?.push(Buffer.from(data).toString())
      }
    }
  })()
  const stop = async () => {
    await subscription.close()
    await reading
  }
  return { byKey, stop }
}

test('hot shards are split, cold ones merged, and nothing is lost or out of order', async () => {
  const events: ScalingEvent[] = []
  const client = await makeClient(events)
  await client.createStream(streamName, { shardCount: 1 })
  const early = readAll(client)

  const producer = client.producer(streamName)
  let put = 0
  const putMore = async () => {
    for (let i = 0; i < 100; i += 1, put += 1) {
      const key = String(put % keyCount)
      await producer.put({ key, data: Buffer.from(String(put)) })
    }
    await wait(5)
  }
  while ((await openShardCount(client)) < scaling.shardsMax) await putMore()
  // The last shards are new: their load is measured now.
  const hasHeat = async () => {
    await putMore()
    const { shards } = await client.describeScaling(streamName)
    return shards.some((it) => it.recordsPerSecond > 0)
  }
  await expect.poll(hasHeat, { timeout: 20_000 }).toBe(true)
  await producer.close()
  await expect.poll(() => openShardCount(client), { timeout: 20_000 }).toBe(1)

  const wanted = Array.from({ length: keyCount }, (_, key) => {
    const count = Math.ceil((put - key) / keyCount)
    return Array.from({ length: count }, (__, at) => String(at * keyCount + key))
  })
  const late = readAll(client)
  for (const { byKey, stop } of [early, late]) {
    await expect.poll(() => byKey.flat().length, { timeout: 20_000 }).toBeGreaterThanOrEqual(put)
    await stop()
    expect(byKey).toEqual(wanted)
  }
  expect(events.filter((it) => it.kind === 'failed')).toEqual([])
  const counted = (of: (event: ScalingEvent) => number) => {
    return events.reduce((sum, it) => sum + of(it), 0)
  }
  expect(counted((it) => it.split.length)).toBe(counted((it) => it.merged.length))
})
