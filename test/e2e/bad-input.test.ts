/** Requests that are wrong, to a real broker: each with the code and the text that is seen. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { recordBytesMaxDefault, requestBytesMax, requestRecordsMax } from '../../src/limits.ts'
import { type Server, startServer } from '../../src/server/server.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { RawClient } from './raw-client.ts'

const dir = mkdtempSync(join(tmpdir(), 'millrace-'))
const logger = new FakeLogger()
let broker: Broker
let server: Server
let client: RawClient
let bystander: RawClient

beforeAll(async () => {
  broker = await Broker.open({ dir })
  server = await startServer({ broker, logger, port: 0, version: '1.2.3' })
  client = await RawClient.open(server.url)
  bystander = await RawClient.open(server.url)
  await client.createStream('orders', 2)
})

afterAll(async () => {
  await server.stop()
  await broker.close()
  rmSync(dir, { recursive: true })
})

const record = (key: unknown, data: unknown = new Uint8Array(1)) => [key, data]
const put = (records: unknown, stream: unknown = 'orders', tail: unknown[] = [null, 0, 0]) => [
  0x21,
  7,
  stream,
  null,
  records,
  ...tail,
]

const sized = (bytes: number) => new Uint8Array(bytes)
const key = 'k'
const iterator = [0x22, 7, 'orders', 'shardId-000000000000', 'LATEST']

/** What is asked, and the code and a part of the text of the answer. */
const requests: readonly [what: string, ask: unknown[], code: string, text: string][] = [
  ['a name with a slash', [0x10, 7, 'a/b'], 'INVALID_ARGUMENT', 'streamName is "a/b"'],
  ['an empty name', [0x10, 7, ''], 'INVALID_ARGUMENT', 'streamName has 0 characters'],
  ['a long name', [0x10, 7, 'x'.repeat(129)], 'INVALID_ARGUMENT', '129 characters'],
  ['a number for a name', [0x10, 7, 5], 'PROTOCOL_VIOLATION', 'streamName: wanted str'],
  ['no shards', [0x10, 7, 'none', 0], 'INVALID_ARGUMENT', 'shardCount is 0'],
  ['too many shards', [0x10, 7, 'many', 10_001], 'INVALID_ARGUMENT', '10001'],
  ['a fraction', [0x10, 7, 'half', '1'], 'PROTOCOL_VIOLATION', 'shardCount: wanted uint'],
  ['an unknown mode', [0x10, 7, 'mode', 1, 'FAST'], 'INVALID_ARGUMENT', 'ON_DEMAND'],
  ['a name that is taken', [0x10, 7, 'orders'], 'STREAM_EXISTS', 'orders'],
  ['no such stream to delete', [0x11, 7, 'nowhere'], 'STREAM_NOT_FOUND', 'nowhere not found'],
  ['no such stream to describe', [0x12, 7, 'nowhere'], 'STREAM_NOT_FOUND', 'nowhere'],
  ['a page of none', [0x12, 7, 'orders', 0], 'INVALID_ARGUMENT', 'limit is 0'],
  ['too many fields', [0x11, 7, 'orders', null, 1], 'PROTOCOL_VIOLATION', 'at most 2'],
  ['no such shard', [...iterator.slice(0, 3), '9', 'LATEST'], 'SHARD_NOT_FOUND', '9'],
  ['no such iterator type', [...iterator.slice(0, 4), 'SOON'], 'INVALID_ARGUMENT', 'TRIM_HORIZON'],
  ['an iterator that is none', [0x23, 7, 'abc'], 'INVALID_ARGUMENT', 'terator'],
  ['a limit of none', [0x23, 7, 'abc', 0], 'INVALID_ARGUMENT', 'limit is 0'],
  ['a token that is none', [0x15, 7, null, 'abc'], 'INVALID_ARGUMENT', 'oken'],
  ['a put without records', put([]), 'INVALID_ARGUMENT', '500'],
  ['a put of text', put('text'), 'PROTOCOL_VIOLATION', 'array'],
  ['a record without data', put([[key]]), 'PROTOCOL_VIOLATION', 'array of 2'],
  ['a record with text for data', put([record(key, 'text')]), 'PROTOCOL_VIOLATION', 'bin'],
  ['a record with an empty key', put([record('')]), 'INVALID_ARGUMENT', 'key'],
  ['a record with a long key', put([record('k'.repeat(257))]), 'INVALID_ARGUMENT', '256'],
  ['a key that is no text', put([record(sized(1))]), 'PROTOCOL_VIOLATION', 'str'],
  [
    'a record too many',
    put(Array.from({ length: requestRecordsMax + 1 }, () => record(key))),
    'INVALID_ARGUMENT',
    '500',
  ],
  [
    'a record that is a byte too large',
    put([record(key, sized(recordBytesMaxDefault))]),
    'RECORD_TOO_LARGE',
    `${recordBytesMaxDefault}`,
  ],
  [
    'records that are too large together',
    put(Array.from({ length: 11 }, () => record(key, sized(requestBytesMax / 11)))),
    'INVALID_ARGUMENT',
    `${requestBytesMax}`,
  ],
  ['a put to no stream', put([record(key)], 'nowhere'), 'STREAM_NOT_FOUND', 'nowhere'],
  ['a put to no name', put([record(key)], 'a b'), 'INVALID_ARGUMENT', 'streamName'],
  [
    'a durability that is none',
    [0x21, 7, 'orders', 'tape', [record(key)], null, 0, 0],
    'INVALID_ARGUMENT',
    'disk, os',
  ],
  [
    'a hash key of 15 bytes',
    put([record(key)], 'orders', [[sized(15)], 0, 0]),
    'PROTOCOL_VIOLATION',
    '16',
  ],
  [
    'two records for PutRecord',
    [0x20, 7, 'orders', null, [record(key), record(key)], null, 0, 0],
    'INVALID_ARGUMENT',
    'it must have 1',
  ],
]

describe('a wrong request is answered, and the connection goes on', () => {
  it.each(requests)('%s', async (_, values, code, text) => {
    const answer = await client.ask(values)
    expect(answer.slice(0, 3)).toEqual([values[0], 7, code])
    expect(answer[3]).toContain(text)
    expect(answer[4]).toBe(false)
    expect((await bystander.ask([0x13, 1, 'orders']))[2]).toBeNull()
  })

  it('and leaves nothing behind', async () => {
    expect((await client.ask([0x14, 8]))[3]).toHaveLength(1)
    for (const shard of ['0', '1']) {
      const [, , , from] = await client.ask([0x22, 9, 'orders', shard, 'TRIM_HORIZON'])
      expect((await client.ask([0x23, 9, from]))[7]).toBe(0)
    }
    expect(logger.lines.filter((it) => it.level === 'error')).toEqual([])
  })
})

describe('lengths at a limit', () => {
  it.each([
    ['a record of the largest size', record(key, sized(recordBytesMaxDefault - key.length))],
    ['a record without data', record(key, sized(0))],
    ['a key of 256 characters', record('ü'.repeat(256))],
    ['a key of 256 characters outside of the basic plane', record('😀'.repeat(256))],
  ])('are taken: %s', async (_, it) => {
    const answer = await client.ask(put([it]))
    expect(answer.slice(0, 4)).toEqual([0x21, 7, null, 'disk'])
  })

  it.each([
    ['as many records as are allowed', requestRecordsMax, 1],
    ['as many bytes as are allowed', 10, requestBytesMax / 10 - key.length],
  ])('are taken: %s', async (_, count, bytes) => {
    const records = Array.from({ length: count }, () => record(key, sized(bytes)))
    const answer = await client.ask(put(records))
    expect(answer.slice(0, 4)).toEqual([0x21, 7, null, 'disk'])
  })
})
