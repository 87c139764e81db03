/**
 * The frames of the put operations as the broker reads them. They are never decoded as a whole:
 * the head is read here, by hand, and the records behind it are scanned natively. This runs for
 * every put. PROTOCOL.md, rules of the section on puts.
 */

import { MillraceError } from '../errors.ts'
import { streamNameCharactersMax } from '../limits.ts'
import { batchLayout } from './batch-layout.ts'
import { MessageReader, messageTypes } from './message-bytes.ts'
import { putBatch, putRecord, putRecords } from './operations.ts'
import { type Durability, durabilities, streamName, streamNamePattern } from './structures.ts'

/** Opcode, request id, stream, durability: what the frames of all puts begin with. */
const headCount = 4
const putRecordsArray = messageTypes.fixArray | (headCount + 4)
const putBatchArray = messageTypes.fixArray | (headCount + 6)
const unsigned32Max = 2 ** 32 - 1
const decoder = new TextDecoder()

/** Whether a frame is to be read by `readPutHead`, and not by `decodeRequest`. */
export function isPutFrame(frame: Uint8Array): boolean {
  const opcode = frame[1]
  return (
    (opcode === putRecord.opcode || opcode === putRecords.opcode || opcode === putBatch.opcode) &&
    ((frame[0] as number) & 0xf0) === messageTypes.fixArray
  )
}

/** What stands before the body of a put. */
export interface PutHead {
  readonly opcode: number
  readonly requestId: number
  readonly streamName: string
  /** What the acknowledgement shall mean; undefined where the request does not say. */
  readonly durability: Durability | undefined
  /** Where the body begins. */
  readonly bodyAt: number
  /** Why the request is refused, as an answer: a field that was readable is out of its bounds. */
  readonly refusal: MillraceError | undefined
}

/**
 * Reads the head of a frame that `isPutFrame` knows. Throws a MillraceError, PROTOCOL_VIOLATION,
 * when it cannot be read at all: the connection is to be closed.
 */
export function readPutHead(frame: Uint8Array): PutHead {
  const opcode = frame[1] as number
  const array = opcode === putBatch.opcode ? putBatchArray : putRecordsArray
  const reader = new MessageReader(frame, 0)
  if (frame[0] !== array) reader.refuse(`an array of ${array & 0x0f}`)
  reader.at = 2
  const requestId = reader.takeUint('a request id')
  if (requestId > unsigned32Max) {
    throw new MillraceError('PROTOCOL_VIOLATION', `request id ${requestId} is above 2^32-1`)
  }
  const name = takeStreamName(reader)
  const durability = takeDurability(reader)
  const bodyAt = reader.at
  let refusal: MillraceError | undefined
  if (name instanceof MillraceError) refusal = name
  else if (durability instanceof MillraceError) refusal = durability
  else if (opcode === putRecord.opcode) refusal = refuseManyRecords(reader)
  return {
    opcode,
    requestId,
    streamName: typeof name === 'string' ? name : '',
    durability: typeof durability === 'string' ? durability : undefined,
    bodyAt,
    refusal,
  }
}

/** What a PutBatch has behind its head: records that the producer has packed for one shard. */
export interface PutBatchBody {
  /** Of the shard within its stream. */
  readonly shardIndex: number
  /** Records. */
  readonly count: number
  readonly codec: number
  /** 0 where the producer is not idempotent. */
  readonly producerId: bigint
  readonly producerSequence: number
  /** A view of the frame, not a copy. */
  readonly records: Uint8Array
}

/** A field that is a number within bounds. */
interface BoundedField {
  readonly name: string
  /** What is said of another value: put together once, and not for each that is read. */
  readonly what: string
  readonly min: number
  readonly max: number
}

function boundedField(name: string, min: number, max: number): BoundedField {
  return { name, what: `${name}, an integer that is not negative`, min, max }
}

const shardIndexField = boundedField('shardIndex', 0, 2 ** 31 - 1)
const countField = boundedField('count', 1, batchLayout.recordCountMax)
const codecField = boundedField('codec', 0, batchLayout.codecMask)
const producerSequenceField = boundedField('producerSequence', 0, unsigned32Max)

/**
 * Reads the body of a PutBatch. Throws a MillraceError, PROTOCOL_VIOLATION or INVALID_ARGUMENT,
 * which is to be answered.
 */
export function readPutBatchBody(frame: Uint8Array, bodyAt: number): PutBatchBody {
  const reader = new MessageReader(frame, bodyAt)
  const body = {
    shardIndex: takeBounded(reader, shardIndexField),
    count: takeBounded(reader, countField),
    codec: takeBounded(reader, codecField),
    producerId: reader.takeUint64('producerId, an integer that is not negative'),
    producerSequence: takeBounded(reader, producerSequenceField),
    records: reader.takeBin('records, a bin that is all there'),
  }
  reader.finish()
  return body
}

function takeBounded(reader: MessageReader, { name, what, min, max }: BoundedField): number {
  const value = reader.takeUint(what)
  if (value >= min && value <= max) return value
  throw new MillraceError('INVALID_ARGUMENT', `${name} is ${value}, it must be ${min} to ${max}`)
}

function takeStreamName(reader: MessageReader): string | MillraceError {
  const length = reader.takeStrHeader('streamName, a str that is all there')
  const at = reader.at
  reader.at = at + length
  return nameAt(reader.bytes, at, length) ?? refuseName(reader.bytes.subarray(at, at + length))
}

function refuseName(bytes: Uint8Array): MillraceError {
  const shown = decoder.decode(bytes.subarray(0, 4 * streamNameCharactersMax + 4))
  try {
    streamName.parse(shown, 'streamName')
  } catch (error) {
    if (error instanceof MillraceError) return error
    throw error
  }
  return new MillraceError('INVALID_ARGUMENT', 'streamName is not valid UTF-8')
}

function takeDurability(reader: MessageReader): Durability | MillraceError | undefined {
  if (reader.takeNil()) return undefined
  const length = reader.takeStrHeader('durability, nil or a str that is all there')
  const at = reader.at
  reader.at = at + length
  for (let i = 0; i < durabilities.length; i += 1) {
    const word = durabilities[i] as Durability
    if (isSame(word, reader.bytes, at, length)) return word
  }
  return new MillraceError(
    'INVALID_ARGUMENT',
    `durability must be nil or one of ${durabilities.join(', ')}`,
  )
}

/** PutRecord has one record. A body that is no array is left to the scan that explains it. */
function refuseManyRecords(reader: MessageReader): MillraceError | undefined {
  const type = reader.bytes[reader.at]
  if (type === (messageTypes.fixArray | 1)) return undefined
  const isArray =
    type !== undefined &&
    ((type & 0xf0) === messageTypes.fixArray ||
      type === messageTypes.array16 ||
      type === messageTypes.array32)
  if (!isArray) return undefined
  const count = reader.takeArrayHeader('an array of one record')
  return count === 1
    ? undefined
    : new MillraceError('INVALID_ARGUMENT', `PutRecord has ${count} records, it must have 1`)
}

// Names that were seen, by a hash of their bytes: decoding the same name for every put would cost
// more than all the rest of its head. A name that is not there only takes the slower way.
const knownNames: string[] = new Array(256).fill('')
const isNameByte = Uint8Array.from({ length: 256 }, (_, code) =>
  code < 0x80 && streamNamePattern.test(String.fromCharCode(code)) ? 1 : 0,
)

/** The name of a stream in these bytes; undefined where they are none. */
function nameAt(bytes: Uint8Array, at: number, length: number): string | undefined {
  if (length === 0 || length > streamNameCharactersMax) return undefined
  let hash = length
  for (let i = at; i < at + length; i += 1) {
    const code = bytes[i] as number
    if (isNameByte[code] === 0) return undefined
    hash = (Math.imul(hash, 31) + code) | 0
  }
  const slot = (hash ^ (hash >>> 8)) & 0xff
  const known = knownNames[slot] as string
  if (isSame(known, bytes, at, length)) return known
  const name = decoder.decode(bytes.subarray(at, at + length))
  knownNames[slot] = name
  return name
}

function isSame(name: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (name.length !== length) return false
  for (let i = 0; i < length; i += 1) {
    if (name.charCodeAt(i) !== bytes[at + i]) return false
  }
  return true
}
