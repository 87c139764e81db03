/** The 64-bit numbers that users hold: bigint, and of three kinds that cannot be mixed up. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'

declare const brand: unique symbol

/** Names a record within its shard: unsigned, 64 bits, from 1. */
export type SequenceNumber = bigint & { readonly [brand]: 'SequenceNumber' }
/** A byte place in a shard's log: unsigned, 64 bits. */
export type Position = bigint & { readonly [brand]: 'Position' }
/** Names a shard within its log: unsigned, 64 bits, never given twice. */
export type ShardId = bigint & { readonly [brand]: 'ShardId' }

const unsigned64Max = 2n ** 64n - 1n

function unsigned64(name: string, value: unknown): bigint {
  if (typeof value !== 'bigint') {
    throw new InvalidTypeError(
      `${name}: wanted a bigint, got ${value === null ? 'null' : typeof value}`,
    )
  }
  if (value < 0n || value > unsigned64Max) {
    throw new InvalidValueError(`${name} is ${value}, it must be 0 to 2^64-1`)
  }
  return value
}

/** Checks a bigint and calls it a sequence number. Throws a TypeError or a RangeError. */
export function sequenceNumber(value: bigint): SequenceNumber {
  return unsigned64('sequence number', value) as SequenceNumber
}

/** Checks a bigint and calls it a position. Throws a TypeError or a RangeError. */
export function position(value: bigint): Position {
  return unsigned64('position', value) as Position
}

/** Checks a bigint and calls it a shard id. Throws a TypeError or a RangeError. */
export function shardId(value: bigint): ShardId {
  return unsigned64('shard', value) as ShardId
}
