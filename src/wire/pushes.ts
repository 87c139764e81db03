/**
 * What the broker sends to subscriptions beside slices, and the one message of clients that has no
 * answer. The home of these frames; PROTOCOL.md is compared with it.
 */

import { MillraceError } from '../errors.ts'
import { answerElementsMax } from '../limits.ts'
import { batchLayout } from './batch-layout.ts'
import { packMessage, unpackMessage } from './codec.ts'
import {
  type Fields,
  list,
  optional,
  packFields,
  parseFields,
  type Struct,
  text,
  u64,
  uint,
  word,
} from './fields.ts'
import { MessageReader, messageTypes } from './message-bytes.ts'
import {
  childShard,
  gapReasons,
  shardProgress,
  subscribedShard,
  subscriptionId,
} from './structures.ts'

/** A frame that is sent unasked: `[opcode, ...fields]`. */
export interface Push<Name extends string = string, Shape extends Fields = Fields> {
  /** 0x41 to 0x4f. */
  readonly opcode: number
  readonly name: Name
  readonly fields: Shape
}

/** What a push says, as an object. */
export type PushOf<It extends Push> = Struct<It['fields']>

function push<const Name extends string, Shape extends Fields>(
  opcode: number,
  name: Name,
  fields: Shape,
): Push<Name, Shape> {
  return { opcode, name, fields }
}

/** A shard of a stream is read from here on; sent before its first slice. */
export const shardStarted = push(0x41, 'ShardStarted', { subscriptionId, shard: subscribedShard })

/** How far the shards are read; every few seconds, and when one has been caught up with. */
export const heartbeat = push(0x42, 'Heartbeat', {
  subscriptionId,
  shards: list(shardProgress, { max: answerElementsMax }),
})

/** Records are missing: reading goes on behind them. */
export const gap = push(0x43, 'Gap', {
  subscriptionId,
  shardNumber: u64(),
  reason: word(gapReasons),
  /** The first record that is missing. */
  startSequenceNumber: u64(),
  /** The first one behind them; missing where the shard is gone as a whole. */
  endSequenceNumber: optional(u64()),
})

/** Everything of a closed shard has been sent. */
export const shardEnded = push(0x44, 'ShardEnded', {
  subscriptionId,
  shardNumber: u64(),
  childShards: list(childShard, { max: 2 }),
})

/** Nothing more will be sent to this subscription. */
export const subscriptionEnded = push(0x45, 'SubscriptionEnded', {
  subscriptionId,
  /** Of the errors, why; missing where everything there will ever be has been sent. */
  code: optional(text({ max: 128 })),
  message: optional(text({ max: 1024 })),
  retryAfterMs: optional(uint()),
})

export const pushesByOpcode: ReadonlyMap<number, Push> = new Map(
  [shardStarted, heartbeat, gap, shardEnded, subscriptionEnded].map((it): [number, Push] => [
    it.opcode,
    it as unknown as Push,
  ]),
)

/** Returns credit: `[opcode, subscriptionId, bytes]`, without a request id and an answer. */
export const credit = {
  opcode: 0x50,
  name: 'Credit',
  fields: { subscriptionId, bytes: uint(1) },
} as const

export function encodePush<It extends Push>(push: It, fields: PushOf<It>): Uint8Array {
  return packMessage([push.opcode, ...packFields(push.fields as It['fields'], fields)])
}

/** Reads a push of this kind. Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodePush<It extends Push>(push: It, frame: Uint8Array): PushOf<It> {
  const values = unpackMessage(frame, { elementsMax: answerElementsMax })
  const place = { start: 1, path: '', extras: 'ignored' } as const
  try {
    return parseFields(push.fields as It['fields'], values, place)
  } catch (error) {
    throw violation(push.name, error)
  }
}

/** A bound that is passed is a violation here, too: nothing answers these frames. */
function violation(name: string, cause: unknown): MillraceError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError('PROTOCOL_VIOLATION', `${name}: ${text}`, { cause })
}

/** Whether a frame of the broker is a slice: the only array of 11 with such a second byte. */
export function isSliceFrame(frame: Uint8Array): boolean {
  return frame[0] === batchLayout.marker && frame[1] === sliceSecondByte
}

/** Opcode and fields. */
const creditCount = 3
const creditArray = messageTypes.fixArray | creditCount
const unsigned32Max = 2 ** 32 - 1

/** The type byte of the checksum of a batch; control frames have an opcode there. */
const sliceSecondByte = 0xce
const two32 = 2 ** 32

/**
 * The number of the shard that a slice is of; exact, as the log never reaches 2^53. Throws a
 * MillraceError, PROTOCOL_VIOLATION, for one that ends before: what stands behind it in memory is
 * not its own.
 */
export function shardNumberOfSlice(slice: Uint8Array): number {
  if (slice.length < batchLayout.shardAt + 8) {
    throw new MillraceError('PROTOCOL_VIOLATION', `a slice of ${slice.length} bytes`)
  }
  const view = new DataView(slice.buffer, slice.byteOffset + batchLayout.shardAt, 8)
  return view.getUint32(0) * two32 + view.getUint32(4)
}

export function encodeCredit(subscriptionId: number, bytes: number): Uint8Array {
  return packMessage([credit.opcode, ...packFields(credit.fields, { subscriptionId, bytes })])
}

/** Whether a frame of a client is a credit; any other legal encoding of one is refused. */
export function isCreditFrame(frame: Uint8Array): boolean {
  return frame[1] === credit.opcode
}

/**
 * Reads a credit in place: one comes for every few slices. Throws a MillraceError,
 * PROTOCOL_VIOLATION: the connection is to be closed, as R13 says.
 */
export function decodeCredit(frame: Uint8Array): Struct<(typeof credit)['fields']> {
  const reader = new MessageReader(frame, 0)
  if (frame[0] !== creditArray) reader.refuse(`${credit.name}: an array of ${creditCount}`)
  reader.at = 2
  const subscriptionId = reader.takeUint('a subscriptionId')
  const bytes = reader.takeUint('bytes')
  reader.finish()
  if (subscriptionId > unsigned32Max || bytes < 1 || bytes > Number.MAX_SAFE_INTEGER) {
    const text = `${credit.name}: subscriptionId ${subscriptionId}, bytes ${bytes}`
    throw new MillraceError('PROTOCOL_VIOLATION', `${text}: out of bounds`)
  }
  return { subscriptionId, bytes }
}
