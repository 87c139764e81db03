/** Whatever bytes come, each reader of the wire answers or throws a MillraceError. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { batchLayout } from '../../../src/wire/batch-layout.ts'
import { unpackMessage } from '../../../src/wire/codec.ts'
import {
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
  describeStream,
  getRecords,
  listShards,
  operationsByOpcode,
  putRecords,
} from '../../../src/wire/operations.ts'
import {
  decodeCredit,
  decodePush,
  encodeCredit,
  encodePush,
  isSliceFrame,
  pushesByOpcode,
  shardEnded,
  shardNumberOfSlice,
} from '../../../src/wire/pushes.ts'
import { putResults } from '../../../src/wire/put-answer.ts'
import { encodePutBatch, encodePutRecords } from '../../../src/wire/put-builder.ts'
import { isPutFrame, readPutBatchBody, readPutHead } from '../../../src/wire/put-frame.ts'
import { RecordWindow } from '../../../src/wire/record-window.ts'
import { SliceCursor } from '../../../src/wire/slice-cursor.ts'
import { unpackMessage as unpackSmall } from '../../../src/wire/small-codec.ts'
import { changedBytes, changeKinds, typeBytes } from '../../support/changed-bytes.ts'
import { parsePutRequest } from '../../support/put-request.ts'
import { makeBatch, makeRecords } from '../../support/slices.ts'
import { arbitraryFields } from '../../support/wire-arbitraries.ts'

const readers: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  request(bytes) {
    const frame = decodeRequest(bytes)
    return parseRequest(frame.operation, frame)
  },
  brokerFrame(bytes) {
    const frame = decodeBrokerFrame(bytes)
    const operation = operationsByOpcode.get(frame.kind === 'answer' ? frame.opcode : 0)
    return frame.kind === 'answer' && operation && parseAnswer(operation, frame.values)
  },
  putResults(bytes) {
    const frame = decodeBrokerFrame(bytes)
    return frame.kind === 'answer' && putResults(parseAnswer(putRecords, frame.values))
  },
  push(bytes) {
    const push = pushesByOpcode.get(bytes[1] ?? 0)
    return push && decodePush(push, bytes)
  },
  credit: decodeCredit,
  sliceShard(bytes) {
    // What only begins like one is refused by who reads it.
    if (!isSliceFrame(bytes) || bytes.length < batchLayout.headerBytes) return undefined
    return shardNumberOfSlice(bytes)
  },
  put(bytes) {
    if (!isPutFrame(bytes)) return undefined
    const head = readPutHead(bytes)
    return head.opcode === 0x24 ? readPutBatchBody(bytes, head.bodyAt) : head
  },
  wholePut: parsePutRequest,
  bothCodecs(bytes) {
    const values = unpackMessage(bytes)
    expect(unpackSmall(bytes)).toEqual(values)
    return values
  },
  smallCodec: unpackSmall,
  slice(bytes) {
    return Array.from(new SliceCursor(bytes), (it) => [it.partitionKey, it.data.length])
  },
  window(bytes) {
    const window = { slice: bytes, firstSequenceNumber: 2n, recordCount: 3 }
    return Array.from(new RecordWindow(window, { verify: true }), (it) => it.partitionKey)
  },
}

function readAll(bytes: Uint8Array): void {
  for (const [name, read] of Object.entries(readers)) {
    try {
      read(bytes)
    } catch (error) {
      if (error instanceof MillraceError) continue
      throw new Error(`${name} of ${Buffer.from(bytes).toString('hex')}`, { cause: error })
    }
  }
}

const [shards] = fc.sample(arbitraryFields(listShards.answer), { numRuns: 1, seed: 1 })
const slice = (() => {
  const { bytes, count } = makeRecords(['a', 3], ['é'.repeat(20), 40], ['c', 0])
  return Buffer.concat([makeBatch(1n, bytes, count), makeBatch(4n, bytes, count)])
})()

/** Frames of all kinds, to be changed. */
const goodFrames: readonly Uint8Array[] = [
  encodeRequest(describeStream, 70_000, { streamName: 'orders', limit: 5 }),
  encodeAnswer(listShards, 5, shards as never),
  encodeAnswer(getRecords, 6, {
    millisBehindLatest: 0,
    childShards: [],
    firstSequenceNumber: 2n ** 60n,
    recordCount: 5,
    slice: Uint8Array.from(slice),
  }),
  encodeError(0x10, 1, new MillraceError('LOG_CORRUPT', 'x', { range: { start: 1n, end: 2n } })),
  encodeWelcome({
    protocolVersion: 1,
    brokerVersion: '1',
    frameBytesMax: 1,
    requestsInFlightMax: 1,
  }),
  encodePutRecords(
    1,
    { streamName: 'orders', durability: 'os' },
    [
      { key: 'a', data: Uint8Array.of(1, 2), explicitHashKey: 5n },
      { key: 'é', data: new Uint8Array(40) },
    ],
    { producerId: 2n ** 63n, producerSequence: 5 },
  ),
  encodePutBatch(
    1,
    { streamName: 'orders' },
    { shardIndex: 1, count: 3, records: Uint8Array.of(1) },
  ),
  encodePush(shardEnded, {
    subscriptionId: 70_000,
    shardNumber: 2n ** 40n,
    childShards: [
      { shardId: 's', parentShards: ['p', 'q'], startingHashKey: 0n, endingHashKey: 1n },
    ],
  }),
  encodeCredit(300, 70_000),
  slice,
]

const change = fc.record({
  at: fc.nat({ max: 10_000 }),
  kind: fc.constantFrom(...changeKinds),
  value: fc.nat({ max: 255 }),
})

describe('every reader of the wire', { timeout: 60_000 }, () => {
  it('reads the frames that are changed below', () => {
    for (const frame of goodFrames) {
      const read = Object.values(readers).filter((it) => {
        try {
          return it(frame) !== undefined
        } catch {
          return false
        }
      })
      expect(read.length, Buffer.from(frame).toString('hex')).toBeGreaterThan(0)
    }
  })

  it('takes or refuses random bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom(...typeBytes, 0, 1, 2, 0x20, 0x21, 0x24, 0x61), { maxLength: 60 })
        .map((it) => Uint8Array.from(it)),
    )
    fc.assert(fc.property(bytes, readAll), { numRuns: 5000 })
  })

  it('takes or refuses changed frames', () => {
    const frame = fc
      .tuple(fc.constantFrom(...goodFrames), fc.array(change, { minLength: 1, maxLength: 4 }))
      .map(([bytes, changes]) => changedBytes(bytes, changes))
    fc.assert(fc.property(frame, readAll), { numRuns: 5000 })
  })

  it('takes or refuses frames that are cut short anywhere', () => {
    for (const frame of goodFrames) {
      for (let cut = 0; cut < frame.length; cut += 1) readAll(frame.subarray(0, cut))
    }
  })
})
