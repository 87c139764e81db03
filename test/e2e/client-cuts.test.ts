import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Client, connectOver } from '../../src/client/client.ts'
import { connect } from '../../src/client/node.ts'
import { nodeSockets } from '../../src/client/node-socket.ts'
import { BrokerPlace } from './broker-place.ts'
import { type Cut, CuttingProxy } from './cutting-proxy.ts'
import { storedByKey } from './stored-by-key.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

let place: BrokerPlace
let direct: Client

beforeAll(async () => {
  place = await BrokerPlace.open()
  direct = await connect(place.url)
})

afterAll(async () => {
  await direct.close()
  await place.close()
})

/** A random number that the test can be run with again. */
function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

test('a cut at any byte loses and doubles nothing of an idempotent producer', async () => {
  await direct.createStream('cuts', { shardCount: 3 })
  const proxy = await CuttingProxy.open(place.port)
  const wanted = new Map<string, string[]>()
  let count = 0
  async function produce(cut: Cut): Promise<void> {
    const before = proxy.cuts
    const cuts = [cut]
    proxy.nextCut = () => cuts.shift() ?? {}
    const client = await connect(proxy.url)
    const producer = client.producer('cuts', { batchRecordsMax: 3, durability: 'os' })
    for (let i = 0; i < 24; i += 1) {
      const key = `key-${i % 5}`
      const text = String(count++)
      wanted.set(key, [...(wanted.get(key) ?? []), text])
      await producer.put({ key, data: encoder.encode(text) })
    }
    await producer.close()
    expect(producer.stats).toMatchObject({ acknowledgedRecords: 24, refusedRecords: 0 })
    await client.close()
    const limit = cut.upBytes ?? cut.downBytes ?? Number.POSITIVE_INFINITY
    if (limit < 300) expect(proxy.cuts, `cut at ${JSON.stringify(cut)}`).toBe(before + 1)
  }
  await produce({})
  const [upTotal, downTotal] = [proxy.upBytes, proxy.downBytes]
  const positions = 45
  for (let i = 0; i < positions; i += 1) {
    await produce({ upBytes: Math.ceil(((i + 0.5) * upTotal) / positions) })
    await produce({ downBytes: Math.ceil(((i + 0.5) * downTotal) / positions) })
  }
  expect(proxy.cuts).toBeGreaterThan(positions)
  await proxy.close()
  expect(await storedByKey(direct, 'cuts', count)).toEqual(wanted)
})

test('a reader whose connections are cut again and again misses and repeats nothing', async () => {
  await direct.createStream('cut-reads', { shardCount: 3 })
  const producer = direct.producer('cut-reads', { durability: 'os' })
  const total = 6000
  for (let i = 0; i < total; i += 1) {
    await producer.put({ key: `key-${i % 50}`, data: encoder.encode(String(i).padEnd(200)) })
  }
  await producer.close()
  const seed = Date.now() >>> 0
  const random = seededRandom(seed)
  const proxy = await CuttingProxy.open(place.port)
  proxy.nextCut = () =>
    proxy.cuts < 25
      ? random() < 0.5
        ? { downBytes: 500 + Math.floor(random() * 12_000) }
        : { upBytes: 300 + Math.floor(random() * 900) }
      : {}
  const client = await connect(proxy.url)
  const byKey = new Map<string, number[]>()
  let seen = 0
  let token: string | undefined
  // The reader is given up now and then, too, and goes on from its token.
  while (seen < total) {
    const reader = client.read('cut-reads', { from: token ?? 'oldest', batchRecordsMax: 100 })
    let batches = 0
    for await (const batch of reader) {
      for (const record of batch) {
        const key = record.partitionKey ?? ''
        byKey.set(key, [...(byKey.get(key) ?? []), Number(decoder.decode(record.data))])
        seen += 1
      }
      token = batch.resumeToken
      batches += 1
      if (seen >= total || batches === 12) break
    }
  }
  await client.close()
  await proxy.close()
  expect(proxy.cuts, `seed ${seed}`).toBeGreaterThan(3)
  expect(seen, `seed ${seed}`).toBe(total)
  for (const [key, numbers] of byKey) {
    const first = Number(key.slice('key-'.length))
    const wanted = Array.from({ length: total / 50 }, (_, i) => first + 50 * i)
    expect(numbers, `${key}, seed ${seed}`).toEqual(wanted)
  }
})

test('while nothing goes through a producer holds its bound at most; then it goes on', async () => {
  await direct.createStream('held-up')
  const proxy = await CuttingProxy.open(place.port)
  const client = await connect(proxy.url)
  const bytesMax = 4 * 1024 * 1024
  const producer = client.producer('held-up', { bytesMax, durability: 'os' })
  proxy.pause()
  const data = new Uint8Array(10_000)
  let taken = 0
  const puts = (async () => {
    for (; taken < 2000; taken += 1) await producer.put({ key: `key-${taken}`, data })
  })()
  const held = () => producer.stats.bufferedBytes > bytesMax - 2 * data.length
  while (!held()) await new Promise((resolve) => setImmediate(resolve))
  const stuck = taken
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(taken).toBe(stuck)
  expect(taken * data.length).toBeLessThan(bytesMax)
  proxy.resume()
  await puts
  await producer.close()
  expect(producer.stats.acknowledgedRecords).toBe(2000)
  expect(producer.stats.bufferedBytesPeak).toBeLessThanOrEqual(bytesMax)
  await client.close()
  await proxy.close()
})

test('a broker that vanishes without a word is noticed, and a quiet one is not left', async () => {
  const proxy = await CuttingProxy.open(place.port)
  const client = await connectOver(nodeSockets(40), proxy.url)
  const states: string[] = []
  client.on('state', (state) => states.push(state))
  const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))
  await sleep(400)
  expect(states).toEqual([])
  const left = new Promise((resolve) => client.on('state', resolve))
  proxy.pause()
  expect(await left).toBe('reconnecting')
  expect((await client.listStreams()).streamSummaries.length).toBeGreaterThan(0)
  await client.close()
  await proxy.close()
})
