/**
 * What the types of operations promise to those who write against them. Nothing here runs: `tsc`
 * checks it with the tests, and complains where an error that is expected does not come.
 */

import type { MillraceError } from '../../src/errors.ts'
import type { ValueOf } from '../../src/wire/fields.ts'
import {
  type hashKey,
  list,
  optional,
  struct,
  text,
  type u64,
  uint,
  word,
} from '../../src/wire/fields.ts'
import type { BrokerFrame } from '../../src/wire/frame.ts'
import { encodeRequest } from '../../src/wire/frame.ts'
import {
  type AnswerOf,
  createStream,
  type deleteStream,
  type describeStream,
  type getRecords,
  type getShardIterator,
  type listShards,
  type Operation,
  type putRecords,
  type RequestOf,
} from '../../src/wire/operations.ts'
import type { PutResult } from '../../src/wire/put-answer.ts'

/** Whether two types are the same, and not only assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

function isTrue<_Claim extends true>(): void {}

// --- fields

isTrue<Same<ValueOf<ReturnType<typeof u64>>, bigint>>()
isTrue<Same<ValueOf<typeof hashKey>, bigint>>()
const mode = word(['a', 'b'])
isTrue<Same<ValueOf<typeof mode>, 'a' | 'b'>>()
const maybe = optional(uint())
isTrue<Same<ValueOf<typeof maybe>, number | undefined>>()
const names = list(text({ max: 5 }), { max: 5 })
isTrue<Same<ValueOf<typeof names>, readonly string[]>>()
const pair = struct('Pair', { name: text({ max: 5 }), count: maybe })
;({ name: 'a' }) satisfies ValueOf<typeof pair>
;({ name: 'a', count: 1 }) satisfies ValueOf<typeof pair>
// @ts-expect-error a field that must be there
;({ count: 1 }) satisfies ValueOf<typeof pair>
// @ts-expect-error a field that nobody knows
;({ name: 'a', other: 1 }) satisfies ValueOf<typeof pair>
;({ name: 'a', count: undefined }) satisfies ValueOf<typeof pair>

// --- requests
;({ streamName: 's' }) satisfies RequestOf<typeof createStream>
;({
  streamName: 's',
  shardCount: 2,
  streamMode: 'ON_DEMAND',
  tags: [{ key: 'k', value: 'v' }],
}) satisfies RequestOf<typeof createStream>
// @ts-expect-error a stream has a name
;({ shardCount: 2 }) satisfies RequestOf<typeof createStream>
// @ts-expect-error another word
;({ streamName: 's', streamMode: 'on-demand' }) satisfies RequestOf<typeof createStream>
// @ts-expect-error tags are pairs, not a map
;({ streamName: 's', tags: { k: 'v' } }) satisfies RequestOf<typeof createStream>
;({
  streamName: 's',
  shardId: '0',
  shardIteratorType: 'AT_SEQUENCE_NUMBER',
  startingSequenceNumber: 5n,
}) satisfies RequestOf<typeof getShardIterator>
;({
  streamName: 's',
  shardId: '0',
  shardIteratorType: 'AT_SEQUENCE_NUMBER',
  // @ts-expect-error a sequence number is never a JavaScript number
  startingSequenceNumber: 5,
}) satisfies RequestOf<typeof getShardIterator>
;({ nextToken: 't' }) satisfies RequestOf<typeof listShards>
;({}) satisfies RequestOf<typeof listShards>

encodeRequest(createStream, 1, { streamName: 's' })
// @ts-expect-error the request of another operation
encodeRequest(createStream, 1, { shardIterator: 'x' })

// --- answers
;({}) satisfies AnswerOf<typeof deleteStream>
declare const description: AnswerOf<typeof describeStream>
isTrue<Same<(typeof description)['shards'][number]['startingHashKey'], bigint>>()
isTrue<
  Same<(typeof description)['streamStatus'], 'CREATING' | 'ACTIVE' | 'UPDATING' | 'DELETING'>
>()
// @ts-expect-error answers are not changed
description.hasMoreShards = true
declare const records: AnswerOf<typeof getRecords>
isTrue<Same<(typeof records)['nextShardIterator'], string | undefined>>()
isTrue<Same<(typeof records)['firstSequenceNumber'], bigint>>()
isTrue<Same<(typeof records)['slice'], Uint8Array>>()
declare const put: AnswerOf<typeof putRecords>
isTrue<Same<(typeof put)['durability'], 'disk' | 'os'>>()
declare const result: PutResult
// @ts-expect-error a record may have been refused
result.sequenceNumber
if ('sequenceNumber' in result) result.sequenceNumber satisfies bigint
else result.errorCode satisfies string

// --- frames and operations

declare const frame: BrokerFrame
// @ts-expect-error only an error has one
frame.error
if (frame.kind === 'error') frame.error satisfies MillraceError
isTrue<Same<(typeof createStream)['name'], 'CreateStream'>>()
;[createStream] satisfies readonly Operation[]
