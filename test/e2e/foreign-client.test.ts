/** The broker as a stranger uses it, who has read PROTOCOL.md. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ForeignClient, opcodes } from './foreign/client.ts'
import {
  createStream,
  hashKey,
  iterator,
  listShards,
  number,
  type Placed,
  placesOf,
  producer,
  type Row,
  readOn,
  route,
} from './foreign/kit.ts'
import { type RunningBroker, startBroker } from './running-broker.ts'

const foreign = join(import.meta.dirname, 'foreign')
let running: RunningBroker
let client: ForeignClient

beforeAll(async () => {
  running = await startBroker()
  client = await ForeignClient.connect(running.url)
})

afterAll(async () => {
  client?.close()
  await running?.stop()
})

describe('a stranger', () => {
  it('shares no code with our client', () => {
    for (const file of readdirSync(foreign)) {
      const source = readFileSync(join(foreign, file), 'utf8')
      const imports = Array.from(source.matchAll(/from '([^']*)'/g), (it) => it[1])
      for (const it of imports) expect(it).toMatch(/^(ws|@msgpack\/msgpack|node:.*|\.\/\w+\.ts)$/)
    }
  })

  it('is welcomed with the bounds of the broker', async () => {
    const bounds = [10_551_296, 1024, true, null, 128, 1_048_576]
    expect(await client.welcome).toEqual([1, running.version, ...bounds])
    expect(client.socket.protocol).toBe('millrace.v1')
  })

  it('puts records one by one, and knows where they go', async () => {
    await createStream(client, 'one-by-one', 3)
    const shards = await listShards(client, 'one-by-one', 2)
    expect(shards.map((it) => it.id)).toEqual([0, 1, 2].map((it) => `shardId-00000000000${it}`))
    expect([shards[0]?.start, shards[2]?.end]).toEqual([0n, 2n ** 128n - 1n])
    const counts = new Map<string, bigint>()
    for (const key of ['cat', 'ox', 'é', '😀', 'x'.repeat(256)]) {
      const record = [key, Buffer.from(`data of ${key}`)]
      const { id } = route(shards, key)
      const answer = await client.request(
        opcodes.putRecord,
        'one-by-one',
        null,
        [record],
        null,
        0,
        0,
      )
      const next = (counts.get(id) ?? 0n) + 1n
      counts.set(id, next)
      expect([answer[0], answer[1], BigInt(answer[2] as bigint)]).toEqual(['disk', id, next])
    }
    const to = hashKey(shards[2]?.start ?? 0n)
    const record = ['cat', Buffer.from('elsewhere')]
    const [, id] = await client.request(opcodes.putRecord, 'one-by-one', 'os', [record], [to], 0, 0)
    expect(id).toBe('shardId-000000000002')
  })

  it('puts records without a key, which go to all shards alike, and reads them so', async () => {
    await createStream(client, 'keyless', 4)
    const shards = await listShards(client, 'keyless', 100)
    const counts = new Map<string, number>()
    for (let i = 0; i < 40; i += 1) {
      const record = [null, Buffer.from(String(i))]
      const put = [opcodes.putRecord, 'keyless', 'os', [record], null, 0, 0] as const
      const [, id] = await client.request(...put)
      counts.set(String(id), (counts.get(String(id)) ?? 0) + 1)
    }
    expect(Math.min(...shards.map((it) => counts.get(it.id) ?? 0))).toBeGreaterThanOrEqual(8)
    for (const { id } of shards) {
      const records = await readOn(client, await iterator(client, 'keyless', id, 'TRIM_HORIZON'), 9)
      expect(records.map((it) => it.key)).toEqual(Array(counts.get(id)).fill(null))
    }
  })

  it('puts many at once, pipelined, and reads all of them back, once and in order', async () => {
    await createStream(client, 'many', 4)
    const shards = await listShards(client, 'many', 100)
    const expected = new Map(shards.map((it) => [it.id, [] as [bigint, string, string][]]))
    const requests = Array.from({ length: 60 }, (_, request) => {
      const records = Array.from({ length: 1 + (request % 30) }, (_, i) => [
        `key-${(request * 7 + i) % 50}`,
        Buffer.from(`${request}/${i}`),
      ])
      const keys = records.map((_, i) => (i % 5 === 3 ? hashKey(2n ** 127n + BigInt(i)) : null))
      const answer = client.request(
        ...[opcodes.putRecords, 'many', null, records, request % 2 === 0 ? keys : null, 0, 0],
      )
      return { records, keys: request % 2 === 0 ? keys : [], answer }
    })
    for (const { records, keys, answer } of requests) {
      const places = placesOf(await answer)
      expect(places.length).toBe(records.length)
      records.forEach(([key, data], i) => {
        const to = keys[i] ?? undefined
        const shard = route(shards, String(key), to === undefined ? undefined : number(to))
        const [shardId, sequenceNumber] = places[i] as Placed
        expect(shardId).toBe(shard.id)
        expected.get(shardId)?.push([sequenceNumber, String(key), String(data)])
      })
    }
    for (const shard of shards) {
      const wanted = expected.get(shard.id)
      for (const limit of [10_000, 7]) {
        const records = await readOn(
          client,
          await iterator(client, 'many', shard.id, 'TRIM_HORIZON'),
          limit,
        )
        // R12: requests of a connection keep their order.
        expect(records.map((it) => [it.sequenceNumber, it.key, it.data.toString()])).toEqual(wanted)
        expect(records.every((it) => it.shardNumber === shard.shardNumber)).toBe(true)
        expect(records.every((it) => Math.abs(Date.now() - it.arrivalMillis) < 60_000)).toBe(true)
      }
    }
  })

  it('finds its place by number and by time', async () => {
    await createStream(client, 'places', 1)
    const shard = 'shardId-000000000000'
    const put = (count: number) =>
      client.request(
        ...[
          opcodes.putRecords,
          'places',
          null,
          Array(count).fill(['k', Buffer.alloc(5)]),
          null,
          0,
          0,
        ],
      )
    await put(10)
    const latest = await iterator(client, 'places', 'shardId-0', 'LATEST')
    await put(5)
    const numbers = async (start: string) =>
      (await readOn(client, start, 100)).map((it) => Number(it.sequenceNumber))
    expect(await numbers(latest)).toEqual([11, 12, 13, 14, 15])
    expect(await numbers(await iterator(client, 'places', '0', 'AT_SEQUENCE_NUMBER', 14n))).toEqual(
      [14, 15],
    )
    expect(
      await numbers(await iterator(client, 'places', shard, 'AFTER_SEQUENCE_NUMBER', 14)),
    ).toEqual([15])
    const [last] = await readOn(
      client,
      await iterator(client, 'places', shard, 'AT_SEQUENCE_NUMBER', 15),
      1,
    )
    const then = last?.arrivalMillis ?? 0
    expect(
      await numbers(await iterator(client, 'places', shard, 'AT_TIMESTAMP', null, then)),
    ).toContain(15)
    const early = await iterator(client, 'places', shard, 'AT_TIMESTAMP', null, then - 100_000)
    expect((await numbers(early)).length).toBe(15)
    // The same iterator reads the same.
    expect(await numbers(early)).toEqual(await numbers(early))
    await expect(iterator(client, 'places', shard, 'AT_SEQUENCE_NUMBER', 99)).rejects.toMatchObject(
      {
        code: 'SEQUENCE_NUMBER_IN_FUTURE',
      },
    )
  })

  it('repeats idempotent puts, on another connection too, and nothing is there twice', async () => {
    await createStream(client, 'repeats', 2)
    const records = Array.from({ length: 20 }, (_, i) => [`key-${i}`, Buffer.from([i])])
    const put = [opcodes.putRecords, 'repeats', null, records, null, producer(), 1] as const
    const first = placesOf(await client.request(...put))
    const other = await ForeignClient.connect(running.url)
    expect(placesOf(await other.request(...put))).toEqual(first)
    other.close()
    expect(await other.closed).toMatchObject({ code: 1000 })
    expect(placesOf(await client.request(...put))).toEqual(first)

    const batch = Buffer.concat(
      [1, 2, 3].map((it) => Buffer.from(encode([`b${it}`, Buffer.of(it)]))),
    )
    const id = producer()
    const putBatch = (sequence: number) =>
      client.request(opcodes.putBatch, 'repeats', null, 1, 3, 0, id, sequence, batch)
    const [durability, number, duplicate] = await putBatch(5)
    expect([durability, duplicate]).toEqual(['disk', false])
    expect(await putBatch(5)).toEqual(['disk', number, true])
    await expect(putBatch(7)).rejects.toMatchObject({ code: 'PRODUCER_SEQUENCE_GAP' })
    expect(await putBatch(6)).toEqual(['disk', BigInt(number as bigint) + 3n, false])

    const shards = await listShards(client, 'repeats', 10)
    let count = 0
    for (const { id: shardId } of shards) {
      const found = await readOn(
        client,
        await iterator(client, 'repeats', shardId, 'TRIM_HORIZON'),
        1000,
      )
      count += found.length
      if (shardId !== shards[1]?.id) continue
      expect(found.slice(-6).map((it) => it.key)).toEqual(['b1', 'b2', 'b3', 'b1', 'b2', 'b3'])
    }
    expect(count).toBe(26)
  })

  it('manages streams and tags', async () => {
    await createStream(client, 'managed', 1)
    await client.request(opcodes.addTagsToStream, 'managed', [
      ['team', 'a'],
      ['__proto__', 'b'],
    ])
    const [tags, hasMore] = await client.request(opcodes.listTagsForStream, 'managed')
    expect([tags, hasMore]).toEqual([
      [
        ['__proto__', 'b'],
        ['team', 'a'],
      ],
      false,
    ])
    const [summaries] = await client.request(opcodes.listStreams, 100)
    expect((summaries as Row[]).map(([name]) => name)).toContain('managed')
    const [name, status, mode] = await client.request(opcodes.describeStream, 'managed')
    expect([name, status, mode]).toEqual(['managed', 'ACTIVE', 'ON_DEMAND'])
    await client.request(opcodes.deleteStream, 'managed')
    const gone = async () => {
      for (;;) await client.request(opcodes.describeStreamSummary, 'managed')
    }
    await expect(gone()).rejects.toMatchObject({ code: 'STREAM_NOT_FOUND', retryable: false })
  })
})
