/** What a stranger does wrong, and what the broker says to it: PROTOCOL.md, R13, R14 and R25. */

import { encode } from '@msgpack/msgpack'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ForeignClient, ForeignError, opcodes } from './foreign/client.ts'
import { createStream } from './foreign/kit.ts'
import { type RunningBroker, startBroker } from './running-broker.ts'

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

describe('errors', () => {
  beforeAll(() => createStream(client, 'errors', 1))

  it.each([
    ['STREAM_NOT_FOUND', [opcodes.describeStreamSummary, 'nowhere']],
    ['STREAM_NOT_FOUND', [opcodes.putRecord, 'nowhere', null, [['k', Buffer.of(1)]], null, 0, 0]],
    ['STREAM_EXISTS', [opcodes.createStream, 'errors']],
    ['INVALID_ARGUMENT', [opcodes.createStream, 'no spaces']],
    ['INVALID_ARGUMENT', [opcodes.createStream, 'x'.repeat(129)]],
    ['INVALID_ARGUMENT', [opcodes.createStream, 's', 0]],
    ['PROTOCOL_VIOLATION', [opcodes.createStream, 's', 'two']],
    ['PROTOCOL_VIOLATION', [opcodes.describeStreamSummary, 'errors', 'more']],
    ['PROTOCOL_VIOLATION', [opcodes.describeStreamSummary]],
    [
      'INVALID_ARGUMENT',
      [opcodes.putRecords, 'errors', 'paper', [['k', Buffer.of(1)]], null, 0, 0],
    ],
    ['INVALID_ARGUMENT', [opcodes.putRecords, 'errors', null, [['', Buffer.of(1)]], null, 0, 0]],
    ['INVALID_ARGUMENT', [opcodes.putRecords, 'errors', null, [], null, 0, 0]],
    ['PROTOCOL_VIOLATION', [opcodes.putRecords, 'errors', null, [['k', 'text']], null, 0, 0]],
    ['PROTOCOL_VIOLATION', [opcodes.putRecords, 'errors', null, [['k', Buffer.of(1)]], [], 0, 0]],
    [
      'PROTOCOL_VIOLATION',
      [opcodes.putRecords, 'errors', null, [['k', Buffer.of(1)]], null, -1, 0],
    ],
    ['SHARD_NOT_FOUND', [opcodes.putBatch, 'errors', null, 9, 1, 0, 0, 0, Buffer.of(0x92)]],
    ['SHARD_NOT_FOUND', [opcodes.getShardIterator, 'errors', 'shardId-9', 'LATEST']],
    ['INVALID_ARGUMENT', [opcodes.getShardIterator, 'errors', '0', 'SOMEWHERE']],
    ['INVALID_ARGUMENT', [opcodes.getShardIterator, 'errors', '0', 'AT_SEQUENCE_NUMBER']],
    ['INVALID_ARGUMENT', [opcodes.getRecords, 'nonsense']],
    ['INVALID_ARGUMENT', [opcodes.listShards, null, 'nonsense']],
  ] as const)('%s answers %j, and the connection stays', async (code, request) => {
    const [opcode, ...fields] = request
    const error = await client.request(opcode, ...fields).catch((it: unknown) => it)
    expect(error).toBeInstanceOf(ForeignError)
    expect(error).toMatchObject({ code, retryable: false })
    expect((error as ForeignError).message).not.toBe('')
    expect((await client.request(opcodes.describeStreamSummary, 'errors'))[1]).toBe('ACTIVE')
  })

  it('of records that are too large name the bound', async () => {
    const large = Buffer.alloc(1024 * 1024 + 1)
    const put = client.request(opcodes.putRecord, 'errors', null, [['k', large]], null, 0, 0)
    await expect(put).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    const exact = [['k', Buffer.alloc(1024 * 1024 - 1)]]
    await client.request(opcodes.putRecord, 'errors', null, exact, null, 0, 0)
  })

  it('of frames that are too large name the bound, and the connection stays', async () => {
    const [, , frameBytesMax] = await client.welcome
    const records = Array(11).fill(['k', Buffer.alloc(1_000_000)])
    const put = client.request(opcodes.putRecords, 'errors', null, records, null, 0, 0)
    const error = await put.catch((it: unknown) => it)
    expect(error).toMatchObject({ code: 'RECORD_TOO_LARGE', retryable: false })
    expect((error as Error).message).toContain(String(frameBytesMax))
  })

  it('of too many requests at once say when to come again; every request is answered', async () => {
    const record = [['k', Buffer.of(1)]]
    const puts = Array.from({ length: 3000 }, () =>
      client.request(opcodes.putRecord, 'errors', null, record, null, 0, 0),
    )
    const results = await Promise.allSettled(puts)
    const refused = results.flatMap((it) => (it.status === 'rejected' ? [it.reason] : []))
    for (const error of refused) {
      expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED', retryable: true })
      expect((error as ForeignError).retryAfterMs).toBeGreaterThan(0)
    }
    expect(results.length - refused.length).toBeGreaterThanOrEqual(1024)
  })
})

describe('what is no request closes the connection', () => {
  it.each([
    ['a text frame', 'hello'],
    ['an empty frame', Buffer.alloc(0)],
    ['something else than an array', Buffer.of(0xc0)],
    ['an unknown opcode', encode([0x3e, 1])],
    ['a request without an id', encode([0x13])],
    ['a map', encode([0x13, 1, { a: 1 }])],
    ['a float', encode([0x12, 1, 's', 1.5])],
    ['bytes behind the array', Buffer.of(0x93, 0x13, 1, 0xa1, 0x73, 0)],
    ['an array of four billion', Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['nine levels', Buffer.from([0x93, 0x13, 1, ...Array(7).fill(0x91), 0x91, 0xc0])],
    ['a string of 1,025 bytes', encode([0x13, 1, 'x'.repeat(1025)])],
    ['a string that is not UTF-8', Buffer.of(0x93, 0x13, 1, 0xa1, 0xff)],
    ['a put without a request id', Buffer.of(0x98, 0x20, 0xc0, 0xa1, 0x73, 0xc0)],
    ['a put with too few fields', encode([0x21, 1, 's', null, []])],
    [
      'a put in a longer header',
      Buffer.of(0xdc, 0, 8, 0x21, 1, 0xa1, 0x73, 0xc0, 0x90, 0xc0, 0, 0),
    ],
  ] as const)('with 4500: %s', async (_, message) => {
    const other = await ForeignClient.connect(running.url)
    other.socket.send(message)
    const { code, reason } = await other.closed
    expect(code).toBe(4500)
    expect(reason).toMatch(/^PROTOCOL_VIOLATION: ./)
    expect((await client.request(opcodes.listStreams))[1]).toBe(false)
  })

  it('with 4501: no common subprotocol', async () => {
    const other = new ForeignClient(running.url, ['millrace.v9'])
    expect(await other.closed).toMatchObject({ code: 4501 })
  })

  it('with 1012: the broker stops', async () => {
    const stopping = await startBroker()
    const other = await ForeignClient.connect(stopping.url)
    await stopping.stop()
    const { code, reason } = await other.closed
    expect(code).toBe(1012)
    expect(reason).toMatch(/^SERVER_CLOSING retryAfterMs=\d+/)
  })
})
