/** Our producer, readers and groups over a broker whose shards are split and merged meanwhile. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { type Client, connect } from '../../src/client/node.ts'
import type { Producer } from '../../src/client/producer.ts'
import type { RecordBatch } from '../../src/client/record-batch.ts'
import { startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'

const keyCount = 20
const rounds = 6
const perRound = 200

/** By their keys the numbers that a reader has had, in order. */
class Seen {
  readonly #byKey = new Map<string, number[]>()
  count = 0

  async take(batches: AsyncIterable<RecordBatch>): Promise<void> {
    for await (const batch of batches) {
      expect(batch.gap).toBeUndefined()
      for (const { partitionKey = '', data } of batch) {
        const numbers = this.#byKey.get(partitionKey) ?? []
        this.#byKey.set(partitionKey, [...numbers, Number(new TextDecoder().decode(data))])
        this.count += 1
      }
    }
  }

  ofKey(key: number): readonly number[] {
    return this.#byKey.get(`key ${key}`) ?? []
  }
}

async function put(producer: Producer, round: number): Promise<void> {
  const records = Array.from({ length: perRound }, (_, i) => ({
    key: `key ${i % keyCount}`,
    data: new TextEncoder().encode(String(round * perRound + i)),
  }))
  for (const [i, record] of records.entries()) {
    await producer.put(record)
    if (i % 17 === 0) await producer.flush()
  }
}

/** Splits the first shard, merges the last two, and evens them out, in turn. */
async function reshard(client: Client, round: number): Promise<void> {
  const { shards } = await client.listShards('orders', { shardFilter: { type: 'AT_LATEST' } })
  const open = [...shards].sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
  const [first, lower, upper] = [open[0], ...open.slice(-2)].map((it) => it?.shardId ?? '')
  if (round % 3 === 0) await client.splitShard('orders', { shardToSplit: first as string })
  else if (round % 3 === 1) {
    const names = { shardToMerge: lower as string, adjacentShardToMerge: upper as string }
    await client.mergeShards('orders', names)
  } else await client.updateShardCount('orders', { targetShardCount: open.length + 1 })
  await client.untilActive('orders')
}

test('splits and merges are followed: each record of a key comes once, and in order', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
  const broker = await Broker.open({ dir: join(directory, 'data') })
  const logger = new FakeLogger()
  const server = await startServer({ broker, logger, port: 0, version: '1.2.3' })
  const client = await connect(server.url)
  await client.createStream('orders', { shardCount: 2, streamMode: 'PROVISIONED' })
  const early = client.subscribe('orders')
  const alone = client.consume('orders', { consumer: 'alone', from: 'oldest' })
  const asking = client.read('orders', { from: 'oldest' })
  await Promise.all([early.ready(), alone.ready()])
  const seen = { early: new Seen(), alone: new Seen(), asking: new Seen(), late: new Seen() }
  const reading = [seen.early.take(early), seen.alone.take(alone), seen.asking.take(asking)]
  const producer = client.producer('orders')
  for (let round = 0; round < rounds; round += 1) {
    await Promise.all([put(producer, round), reshard(client, round)])
  }
  await producer.close()
  const late = client.subscribe('orders', { from: 'oldest', creditBytes: 1 })
  reading.push(seen.late.take(late))
  const all = Array.from({ length: rounds * perRound }, (_, i) => i)
  await vi.waitFor(
    () => expect(Object.values(seen).map((it) => it.count)).toEqual(Array(4).fill(all.length)),
    { timeout: 20_000, interval: 20 },
  )
  for (const it of Object.values(seen)) {
    for (let key = 0; key < keyCount; key += 1) {
      expect(it.ofKey(key)).toEqual(all.filter((i) => i % keyCount === key))
    }
  }
  for (const it of [early, alone, asking, late]) await it.close()
  await Promise.all(reading)
  await client.close()
  await server.stop()
  await broker.close()
  rmSync(directory, { recursive: true })
}, 60_000)
