/**
 * Subscriptions that come and go on one connection leave nothing behind. `MILLRACE_SUBSCRIBE_FLOOD`
 * says how many; a million of them are T-S4 of `test/torture/README.md`.
 */

import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'

const floodCount = Number(process.env['MILLRACE_SUBSCRIBE_FLOOD'] ?? 20_000)
const mebibyte = 1024 * 1024
const shardCount = 4
const together = 200
/** What is allocated once, however many there are. */
const warmUpCount = 5000
const subscribeToShard = 0x28
const unsubscribe = 0x2a
const millisMax = 60_000 + floodCount

async function serveOrders() {
  const broker = await Broker.open({ dir: join(temporaryDirectory(), 'data') })
  const logger = new FakeLogger()
  const server = await startServer({ broker, logger, port: 0, version: '1.2.3' })
  onTestFinished(async () => {
    await server.stop()
    await broker.close()
  })
  const client = await RawClient.open(server.url)
  await client.createStream('orders', shardCount)
  for (let n = 0; n < 100; n += 1) {
    const record = [`key-${n}`, new Uint8Array(20)]
    expect((await client.ask([0x20, 2, 'orders', 'os', [record], null, 0, 0]))[2]).toBeNull()
  }
  return { broker, client }
}

/** A client that only counts what is answered, and how often that is a refusal. */
class Flood {
  readonly #client: RawClient
  #subscriptionId = 0
  #owed = 0
  #answered: () => void = () => undefined
  refused = 0

  constructor(client: RawClient) {
    this.#client = client
    client.socket.removeAllListeners('message')
    client.socket.on('message', (frame: Buffer) => this.#take(frame))
  }

  /** Begins and ends so many subscriptions, of each shard in turn. */
  async run(count: number): Promise<void> {
    for (let sent = 0; sent < count; sent += together) {
      this.#owed = 2 * together
      const answered = new Promise<void>((resolve) => {
        this.#answered = resolve
      })
      for (let i = 0; i < together; i += 1) this.#comeAndGo(String(i % shardCount))
      await answered
    }
  }

  #comeAndGo(shardId: string): void {
    const place = [null, 'TRIM_HORIZON', null, null]
    this.#client.send([subscribeToShard, 1, 'orders', shardId, ...place, 1000, null])
    this.#subscriptionId += 1
    this.#client.send([unsubscribe, 2, this.#subscriptionId])
  }

  /** Slices and heartbeats may come in between. */
  #take(frame: Buffer): void {
    if (frame[1] !== subscribeToShard && frame[1] !== unsubscribe) return
    if (frame[3] !== nil) this.refused += 1
    this.#owed -= 1
    if (this.#owed === 0) this.#answered()
  }
}

/** The status of an answer behind its opcode and a request id of one byte. */
const nil = 0xc0

function memory() {
  global.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return { heapUsed, rss }
}

it(
  `a flood of ${floodCount} subscriptions that come and go leaves nothing behind`,
  async () => {
    const { broker, client } = await serveOrders()
    const flood = new Flood(client)
    await flood.run(warmUpCount)
    const before = memory()
    await flood.run(floodCount)
    const after = memory()
    const heap = (after.heapUsed - before.heapUsed) / mebibyte
    const all = (after.rss - before.rss) / mebibyte
    expect(heap).toBeLessThan(8)
    expect(all).toBeLessThan(64)
    expect(flood.refused).toBe(0)
    expect((await broker.stats()).fanOut).toMatchObject({ live: 0, behind: 0, waiting: 0 })
    const more = `${heap.toFixed(1)} MiB more heap, ${all.toFixed(1)} in all`
    process.stdout.write(`T-S4: ${floodCount} subscriptions, ${more}, 0 left\n`)
  },
  millisMax,
)
