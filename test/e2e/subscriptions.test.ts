/** Subscriptions over real sockets, by a client that knows nothing of ours. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Broker, type BrokerOptions } from '../../src/broker/broker.ts'
import { takeOverMillis } from '../../src/limits.ts'
import { type Server, startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { RawClient } from './raw-client.ts'
import { RawSubscriber } from './raw-subscriber.ts'

const owed = /^SLOW_CONSUMER: subscription 1, shard \d: nextSequenceNumber=\d+, and 1 more$/
const mebibyte = 1024 * 1024

interface Running {
  readonly broker: Broker
  readonly server: Server
  readonly url: string
}

async function start(dir: string, options: Partial<BrokerOptions> = {}): Promise<Running> {
  const broker = await Broker.open({ dir: join(dir, 'data'), ...options })
  const server = await startServer({ broker, logger: new FakeLogger(), port: 0, version: '1.2.3' })
  return { broker, server, url: server.url }
}

async function stop({ broker, server }: Running): Promise<void> {
  await server.stop()
  await broker.close()
}

function makeDirectory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  return dir
}

/** A broker with a stream of so many shards. */
async function run(shardCount: number, options: Partial<BrokerOptions> = {}) {
  const running = await start(makeDirectory(), options)
  onTestFinished(() => stop(running))
  const admin = await RawClient.open(running.url)
  await admin.createStream('orders', shardCount)
  return { ...running, admin }
}

/** Puts records whose data begins with a text. */
async function put(client: RawClient, texts: readonly string[], dataBytes = 20): Promise<void> {
  const records = texts.map((text) => {
    const data = new Uint8Array(Math.max(dataBytes, text.length)).fill(0x20)
    new TextEncoder().encodeInto(text, data)
    return [`key-${text}`, data]
  })
  const answer = await client.ask([0x21, 2, 'orders', 'os', records, null, 0, 0])
  expect(answer[2]).toBeNull()
}

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `record ${from + i}`)

/** Each of them, with its blanks, once. */
function expectAll(subscriber: RawSubscriber, texts: readonly string[]): void {
  expect(subscriber.texts.map((it) => it.trim()).sort()).toEqual([...texts].sort())
}

it('sends what is there and what comes, after the answer, and tells when it is live', async () => {
  const { admin, url } = await run(1)
  await put(admin, ['a', 'b'])
  const subscriber = await RawSubscriber.open(url)
  const order: string[] = []
  subscriber.client.socket.prependListener('message', (frame: Buffer) => {
    order.push(frame[0] === 0x9b ? 'slice' : `0x${(frame[1] as number).toString(16)}`)
  })
  const answer = await subscriber.subscribe('orders')
  expect(answer.slice(2)).toEqual([null, 1, [['shardId-000000000000', 2n, 1n]]])
  await expect.poll(() => order).toEqual(['0x29', 'slice', '0x42'])
  expect(subscriber.pushes).toEqual([[0x42, 1, [[2n, 3n, 0]]]])
  await put(admin, ['c'])
  await expect.poll(() => subscriber.texts.length).toBe(3)
  expectAll(subscriber, ['a', 'b', 'c'])
  expect((await subscriber.ask(0x2a, 1))[2]).toBeNull()
  await put(admin, ['d'])
  expect((await subscriber.ask(0x2a, 1))[2]).toBe('INVALID_ARGUMENT')
  expectAll(subscriber, ['a', 'b', 'c'])
})

it('refuses and closes with codes', async () => {
  const { url } = await run(1)
  const subscriber = await RawSubscriber.open(url)
  const codeOf = async (...request: [number, ...unknown[]]) => (await subscriber.ask(...request))[2]
  const toShard = (...rest: unknown[]) => codeOf(0x28, 'orders', '0', null, ...rest)
  expect(await toShard('LATEST', null, null, 0)).toBe('INVALID_ARGUMENT')
  expect(await toShard('LATEST', null, null, mebibyte + 1)).toBe('INVALID_ARGUMENT')
  expect(await toShard('LATEST', null, null, -1)).toBe('INVALID_ARGUMENT')
  expect(await toShard('SOONER', null, null, 1000)).toBe('INVALID_ARGUMENT')
  expect(await toShard('AT_SEQUENCE_NUMBER', 99, null, 1000)).toBe('SEQUENCE_NUMBER_IN_FUTURE')
  const consumer = await codeOf(0x28, 'orders', '0', 'nobody', 'LATEST', null, null, 1000)
  expect(consumer).toBe('CONSUMER_NOT_FOUND')
  // Credit that was never given out ends the subscription, and what is no credit the connection.
  expect(await toShard('LATEST', null, null, 1000)).toBeNull()
  subscriber.client.send([0x50, 1, 5])
  await expect
    .poll(() => subscriber.pushes.at(-1)?.slice(0, 3))
    .toEqual([0x45, 1, 'INVALID_ARGUMENT'])
  subscriber.client.send([0x50, 1, -5])
  expect(await subscriber.client.closed).toMatchObject({ code: 4500 })
})

it('begins subscriptions of a consumer once it is registered, and says if it is not', async () => {
  const { url } = await run(1)
  const subscriber = await RawSubscriber.open(url)
  const subscribe = () => subscriber.ask(0x28, 'orders', '0', 'billing', 'LATEST', null, null, 1000)
  const [registered, early] = await Promise.all([
    subscriber.ask(0x30, 'orders', 'billing', null),
    subscribe(),
  ])
  expect(registered[2]).toBeNull()
  // Both may be carried out in any order: no other answer than these two is right.
  expect([null, 'CONSUMER_NOT_FOUND']).toContain(early[2])
  if (early[2] === null) await subscriber.ask(0x2a, early[3])
  else expect(early[4]).toBe(false)
  expect((await subscribe())[2]).toBeNull()
})

it('gives each of two consumers everything, and a shard to one subscription of each', async () => {
  let millis = 0
  const { admin, url } = await run(2, { elapsed: () => millis })
  for (const name of ['audit', 'billing']) {
    expect((await admin.ask([0x30, 1, 'orders', name]))[2]).toBeNull()
  }
  const [audit, billing, again] = await Promise.all([
    RawSubscriber.open(url),
    RawSubscriber.open(url),
    RawSubscriber.open(url),
  ])
  const begin = (subscriber: RawSubscriber, consumer: string) =>
    subscriber.ask(0x29, 'orders', consumer, 'TRIM_HORIZON', null, 65_536, [])
  await begin(audit, 'audit')
  await begin(billing, 'billing')
  const texts = numbered(0, 300)
  await put(admin, texts)
  await expect.poll(() => [audit.texts.length, billing.texts.length]).toEqual([300, 300])
  expectAll(audit, texts)
  expectAll(billing, texts)
  const refused = await begin(again, 'billing')
  expect([refused[2], refused[4], refused[5]]).toEqual(['CONSUMER_IN_USE', true, takeOverMillis])
  millis += takeOverMillis
  expect((await begin(again, 'billing'))[2]).toBeNull()
  await expect.poll(() => billing.pushes.at(-1)?.slice(0, 3)).toEqual([0x45, 1, 'CONSUMER_IN_USE'])
  await expect.poll(() => again.texts.length).toBe(300)
})

it('goes on where the client was, after its connection and a restart of the broker', async () => {
  const dir = makeDirectory()
  let running = await start(dir)
  const admin = await RawClient.open(running.url)
  await admin.createStream('orders', 4)
  let subscriber = await RawSubscriber.open(running.url)
  await subscriber.subscribe('orders', 3000)
  const all: string[] = []
  let put100 = 0
  const putMore = async (client: RawClient) => {
    const texts = numbered(put100 * 100, 100)
    put100 += 1
    all.push(...texts)
    await put(client, texts, 50)
  }
  const reconnect = async () => {
    const next = await RawSubscriber.open(running.url)
    next.follow(subscriber)
    next.texts.push(...subscriber.texts)
    await next.subscribe('orders', 3000)
    subscriber = next
  }
  await putMore(admin)
  await expect.poll(() => subscriber.texts.length).toBeGreaterThan(10)
  subscriber.client.socket.terminate()
  await subscriber.client.closed
  await putMore(admin)
  await reconnect()
  await expect.poll(() => subscriber.texts.length).toBeGreaterThan(100)
  const stopped = stop(running)
  expect(await subscriber.client.closed).toMatchObject({ code: 1012 })
  await stopped
  running = await start(dir)
  onTestFinished(() => stop(running))
  const second = await RawClient.open(running.url)
  await putMore(second)
  await reconnect()
  await expect.poll(() => subscriber.texts.length).toBe(300)
  expectAll(subscriber, all)
})

it('says where each shard stands before it closes, also to who returns nothing', async () => {
  const fanOut = { heartbeatMillis: 50, creditMillisMax: 200 }
  const { admin, url, server } = await run(2, { fanOut })
  await put(admin, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'])
  for (const creditBytes of [200, 65_536]) {
    const subscriber = await RawSubscriber.open(url)
    subscriber.givesBack = creditBytes > 200
    await subscriber.subscribe('orders', creditBytes)
    if (subscriber.givesBack) {
      await expect.poll(() => subscriber.texts.length).toBe(8)
      await server.stop()
    }
    const { code, reason } = await subscriber.client.closed
    const standing = subscriber.pushes.at(-1) as [number, number, [bigint, bigint, number][]]
    expect(standing.slice(0, 2)).toEqual([0x42, 1])
    const next = standing[2].map(([shard, number]) => [shard, number])
    const wanted = next.map(([shard]) => [shard, subscriber.wanted.get(shard as bigint) ?? 1n])
    expect(next).toEqual(wanted)
    expect(next.length).toBe(2)
    if (subscriber.givesBack) expect(code).toBe(1012)
    else expect([code, reason]).toEqual([4408, expect.stringMatching(owed)])
  }
})

it('is slow to those alone who are slow, at little cost, and they lose nothing', async () => {
  const { admin, broker, url } = await run(1)
  const stalled = await Promise.all(Array.from({ length: 40 }, () => RawSubscriber.open(url)))
  for (const it of stalled) {
    await it.subscribe('orders', 256 * 1024)
    it.client.socket.pause()
  }
  const healthy = await RawSubscriber.open(url)
  await healthy.subscribe('orders', 256 * 1024)
  global.gc?.()
  const before = process.memoryUsage()
  const texts = numbered(0, 2000)
  for (let at = 0; at < texts.length; at += 10) {
    await put(admin, texts.slice(at, at + 10), 10_000)
  }
  await expect.poll(() => healthy.texts.length, { timeout: 20_000 }).toBe(2000)
  expectAll(healthy, texts)
  const after = process.memoryUsage()
  expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(
    150 * mebibyte,
  )
  // Their credit bounds what is on its way to them, whatever the kernel would take.
  const { fanOut } = await broker.stats()
  expect(fanOut.creditOutBytes).toBeLessThanOrEqual(40 * 256 * 1024)
  expect(fanOut).toMatchObject({ waiting: 40, live: 1 })
  for (const it of stalled) it.client.socket.resume()
  await expect
    .poll(() => stalled.every((it) => it.texts.length === 2000), { timeout: 40_000 })
    .toBe(true)
  for (const it of stalled) expectAll(it, texts)
})
