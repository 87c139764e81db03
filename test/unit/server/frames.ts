/** Frames of a few requests and answers. */

import { packMessage } from '../../../src/wire/codec.ts'
import { encodeRequest } from '../../../src/wire/frame.ts'
import { createStream, getRecords } from '../../../src/wire/operations.ts'

/** A PutRecord of one record. */
export function putFrame(requestId: number, data: Uint8Array = Uint8Array.of(7)): Uint8Array {
  return packMessage([0x20, requestId, 'orders', null, [['key', data]], null, 0, 0])
}

export const getFrame = (requestId: number) =>
  encodeRequest(getRecords, requestId, { shardIterator: 'iterator' })
export const createFrame = (requestId: number) =>
  encodeRequest(createStream, requestId, { streamName: 'orders' })

/** What the broker answers to a put. */
export const putAnswer = (requestId: number, text = 'disk') =>
  packMessage([0x20, requestId, null, text])

export const records = {
  millisBehindLatest: 0,
  childShards: [],
  firstSequenceNumber: 1n,
  recordCount: 0,
  slice: new Uint8Array(500),
}

/** Until the microtasks and ticks of this turn are done. */
export const turn = () => new Promise((resolve) => setImmediate(resolve))
