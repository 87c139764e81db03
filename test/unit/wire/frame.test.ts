import { decode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidTypeError, MillraceError } from '../../../src/errors.ts'
import { packMessage, unpackMessage } from '../../../src/wire/codec.ts'
import { packFields, parseFields } from '../../../src/wire/fields.ts'
import {
  checkRequest,
  decodeBrokerFrame,
  decodeRequest,
  encodeAnswer,
  encodeError,
  encodeRequest,
  encodeWelcome,
  parseAnswer,
  parseRequest,
} from '../../../src/wire/frame.ts'
import {
  createStream,
  describeStream,
  getRecords,
  getShardIterator,
  listStreams,
  type Operation,
  operationsByOpcode,
  type RequestOf,
} from '../../../src/wire/operations.ts'
import { isPutFrame } from '../../../src/wire/put-frame.ts'
import { arbitraryFields } from '../../support/wire-arbitraries.ts'

const operations = [...operationsByOpcode.values()]
const requestId = fc.nat({ max: 2 ** 32 - 1 })
const violation = expect.objectContaining({ code: 'PROTOCOL_VIOLATION' })
const numRuns = 60

describe.each(operations.map((it) => [it.name, it] as const))('%s', (_, operation: Operation) => {
  it('encodes and decodes any request', () => {
    fc.assert(
      fc.property(requestId, arbitraryFields(operation.request), (id, request) => {
        const bytes = encodeRequest(operation, id, request)
        const place = { start: 2, path: '', extras: 'refused' } as const
        expect(parseFields(operation.request, unpackMessage(bytes), place)).toEqual(request)
        expect(checkRequest(operation, request)).toEqual(request)
        if (isPutFrame(bytes)) return
        const frame = decodeRequest(bytes)
        expect([frame.operation, frame.requestId]).toEqual([operation, id])
        expect(parseRequest(operation, frame)).toEqual(request)
      }),
      { numRuns },
    )
  })

  it('encodes and decodes any answer, also with elements that a newer broker adds', () => {
    const more = fc.array(fc.constantFrom(null, 1, 'new'), { maxLength: 2 })
    fc.assert(
      fc.property(requestId, arbitraryFields(operation.answer), more, (id, answer, added) => {
        const bytes = encodeAnswer(operation, id, answer)
        const newer = packMessage([...unpackMessage(bytes, { elementsMax: 10_000 }), ...added])
        const frame = decodeBrokerFrame(newer)
        if (frame.kind !== 'answer') throw new Error(`it is ${frame.kind}`)
        expect([frame.opcode, frame.requestId]).toEqual([operation.opcode, id])
        expect(parseAnswer(operation, frame.values)).toEqual(answer)
      }),
      { numRuns },
    )
  })

  it('refuses requests with an element too many', () => {
    const [request] = fc.sample(arbitraryFields(operation.request), { numRuns: 1, seed: 5 })
    const fields = packFields(operation.request, request ?? {})
    const place = { start: 0, path: '', extras: 'refused' } as const
    expect(() => parseFields(operation.request, [...fields, null], place)).toThrow(violation)
  })
})

describe('requests', () => {
  const encode = (request: unknown) => encodeRequest(createStream, 1, request as never)

  it('may leave out fields at their end that are nil', () => {
    const frame = decodeRequest(packMessage([0x10, 1, 'orders']))
    expect(parseRequest(createStream, frame)).toEqual({ streamName: 'orders' })
  })

  it('are refused before they are sent: wrong types as misuse, bounds as the broker would', () => {
    expect(() => encode({})).toThrow(
      new InvalidTypeError('CreateStream: streamName: wanted str, got nil'),
    )
    expect(() => encode({ streamName: 's', shardCount: 1.5 })).toThrow(TypeError)
    expect(() => encode({ streamName: 's', tags: 'x' })).toThrow(/tags: wanted array, got string/)
    expect(() => encode({ streamName: 's', tags: [null] })).toThrow(/tags\[0\]: wanted Tag/)
    expect(() => encode({ streamName: 's', tags: [{ key: 'k' }] })).toThrow(/tags\[0\]\.value/)
    for (const request of [
      { streamName: 's p' },
      { streamName: '' },
      { streamName: 'x'.repeat(129) },
      { streamName: 's', shardCount: 0 },
      { streamName: 's', shardCount: 10_001 },
      { streamName: 's', streamMode: 'on_demand' },
      { streamName: 's', tags: [{ key: '\ud800', value: '' }] },
      { streamName: 's', tags: [{ key: 'k', value: '\ufeffv' }] },
      { streamName: 's', tags: Array(51).fill({ key: 'k', value: 'v' }) },
    ]) {
      expect(() => encode(request)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  it('have whole numbers as integers, also those that a library would make floats', () => {
    const request: RequestOf<typeof getShardIterator> = {
      streamName: 's',
      shardId: 's-0',
      shardIteratorType: 'AT_TIMESTAMP',
      timestamp: 1_700_000_000_000,
    }
    const bytes = encodeRequest(getShardIterator, 1, request)
    expect(decode(bytes, { useBigInt64: true })).toContain(1_700_000_000_000n)
  })

  it('are no requests without a known opcode and an id', () => {
    for (const values of [
      [],
      [0x10],
      [0x7f, 1],
      [null, 1],
      ['0x10', 1],
      [16n ** 15n, 1],
      [0x10, -1],
      [0x10, 2 ** 32],
      [0x10, '1'],
      [0x01, 1],
      // Those are read in place, and this is no frame of theirs.
      [0x20, 1],
      [0x21, 1],
      [0x24, 1],
    ]) {
      const bytes = values.map((it) => (it === 2 ** 32 ? BigInt(it) : it))
      expect(() => decodeRequest(packMessage(bytes)), String(values)).toThrow(violation)
    }
  })
})

describe('what the broker sends', () => {
  it('is an error with its code, wait and range', () => {
    const wait = new MillraceError('LIMIT_EXCEEDED', 'too many', { retryAfterMs: 12.5 })
    const range = { start: 5n, end: 2n ** 64n - 1n }
    const corrupt = new MillraceError('LOG_CORRUPT', undefined, { range })
    const decoded = [wait, corrupt].map((it) => decodeBrokerFrame(encodeError(0x23, 7, it)))
    expect(decoded).toMatchObject([
      { kind: 'error', opcode: 0x23, requestId: 7 },
      { kind: 'error', error: { range, retryable: false } },
    ])
    expect(decoded[0]).toMatchObject({
      error: { code: 'LIMIT_EXCEEDED', message: 'too many', retryable: true, retryAfterMs: 13 },
    })
  })

  it('is an error with as much of its text as a message may have', () => {
    for (const text of ['😀'.repeat(2000), 'x'.repeat(5000), `a\ud800b${'é'.repeat(2000)}`]) {
      const frame = decodeBrokerFrame(encodeError(0x10, 1, new MillraceError('INTERNAL', text)))
      if (frame.kind !== 'error') throw new Error(`it is ${frame.kind}`)
      expect(Buffer.byteLength(frame.error.message)).toBeGreaterThan(1000)
      expect(text.replace('\ud800', '\ufffd').startsWith(frame.error.message)).toBe(true)
    }
  })

  it('is an internal error where the code is not known here', () => {
    const frame = decodeBrokerFrame(packMessage([0x10, 1, 'BRAND_NEW', 'why', true, null, 'more']))
    expect(frame).toMatchObject({
      kind: 'error',
      error: { code: 'INTERNAL', message: 'the broker answered BRAND_NEW: why' },
    })
    for (const code of ['__proto__', 'constructor', 5, ['x']]) {
      expect(decodeBrokerFrame(packMessage([0x10, 1, code]))).toMatchObject({
        error: { code: 'INTERNAL' },
      })
    }
  })

  it('is a welcome, also one that says more', () => {
    const fields = {
      protocolVersion: 1,
      brokerVersion: '9.9.9',
      frameBytesMax: 2 ** 40,
      requestsInFlightMax: 1,
    }
    const newer = packMessage([...unpackMessage(encodeWelcome(fields)), 'more'])
    expect(decodeBrokerFrame(newer)).toEqual({ kind: 'welcome', welcome: fields })
  })

  it('may be of a kind that is not known here', () => {
    expect(decodeBrokerFrame(packMessage([0x02, 'news']))).toEqual({ kind: 'unknown', opcode: 2 })
  })

  it('is refused as a violation when fields are not what they must be', () => {
    const answer = (...fields: unknown[]) =>
      parseAnswer(listStreams, unpackMessage(packMessage([0x14, 1, null, ...fields])))
    expect(() => answer([], 'no')).toThrow(violation)
    expect(() => answer([['s p', 'ACTIVE', 'ON_DEMAND', 1]], false)).toThrow(violation)
    expect(() => answer([['s', 'GONE', 'ON_DEMAND', 1]], false)).toThrow(/answer of ListStreams/)
    expect(answer([], false)).toEqual({ streamSummaries: [], hasMoreStreams: false })
  })

  it('can be a page of 10,000 rows, and not of more', () => {
    const shard = ['s-0', null, null, new Uint8Array(16), new Uint8Array(16), 1n, null, 1n]
    const frame = (count: number) =>
      packMessage([
        0x12,
        1,
        null,
        's',
        'ACTIVE',
        'ON_DEMAND',
        1,
        24,
        9,
        Array(count).fill(shard),
        false,
      ])
    const decoded = decodeBrokerFrame(frame(10_000))
    if (decoded.kind !== 'answer') throw new Error(`it is ${decoded.kind}`)
    expect(parseAnswer(describeStream, decoded.values).shards.length).toBe(10_000)
    expect(() => decodeBrokerFrame(frame(10_001))).toThrow(violation)
  })

  it('has bytes of its own that are a plain Uint8Array, whatever the socket gave', () => {
    const slice = Uint8Array.of(1, 2, 3)
    const answer = {
      millisBehindLatest: 0,
      childShards: [],
      firstSequenceNumber: 1n,
      recordCount: 0,
      slice,
    }
    const bytes = encodeAnswer(getRecords, 1, answer)
    for (const received of [bytes, Buffer.from(bytes)]) {
      const frame = decodeBrokerFrame(received)
      if (frame.kind !== 'answer') throw new Error(`it is ${frame.kind}`)
      const parsed = parseAnswer(getRecords, frame.values)
      expect(parsed.slice.constructor).toBe(Uint8Array)
      received.fill(0)
      expect(parsed.slice).toEqual(slice)
    }
  })
})
