/** The routes of a stream, and their limits, in the form in which native takes them. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'
import { checkInteger, describe } from '../wire/arguments.ts'
import { type Route, shardId, type ThroughputLimits } from './log.ts'

const hashKeyMax = 2n ** 128n - 1n
const halfBits = 64n
const mapHeaderBytes = 8
const routeBytes = 24
const limitMax = 2 ** 40

/**
 * The open shards and then the previous maps, each as its count of shards, in 8 bytes, and 24 bytes
 * for each of them: ending hash key, shard id. Big-endian. Throws a TypeError or a RangeError.
 */
export function encodeRoutes(
  open: readonly Route[],
  previous: readonly (readonly Route[])[] = [],
): Uint8Array<ArrayBuffer> {
  checkArray('previous', previous)
  const maps = [open, ...previous]
  for (const map of maps) checkArray('routes', map)
  const routeCount = maps.reduce((sum, map) => sum + map.length, 0)
  const table = new DataView(
    new ArrayBuffer(maps.length * mapHeaderBytes + routeCount * routeBytes),
  )
  let at = 0
  for (const map of maps) {
    table.setBigUint64(at, BigInt(map.length))
    at += mapHeaderBytes
    for (const route of map) {
      writeRoute(table, at, route)
      at += routeBytes
    }
  }
  return new Uint8Array(table.buffer)
}

function checkArray(name: string, value: unknown): void {
  if (!Array.isArray(value)) {
    throw new InvalidTypeError(`${name}: wanted an array, got ${describe(value)}`)
  }
}

function writeRoute(table: DataView, at: number, { shard, endingHashKey }: Route): void {
  if (typeof endingHashKey !== 'bigint') {
    throw new InvalidTypeError(`ending hash key: wanted a bigint, got ${describe(endingHashKey)}`)
  }
  if (endingHashKey < 0n || endingHashKey > hashKeyMax) {
    throw new InvalidValueError(`ending hash key is ${endingHashKey}, it must be 0 to 2^128-1`)
  }
  table.setBigUint64(at, endingHashKey >> halfBits)
  table.setBigUint64(at + 8, BigInt.asUintN(64, endingHashKey))
  table.setBigUint64(at + 16, shardId(shard))
}

/** Throws a RangeError. */
export function encodeLimits(limits: ThroughputLimits | undefined): BigUint64Array | null {
  if (limits === undefined) return null
  const { recordsPerSecond, bytesPerSecond, bytesBurst } = limits
  const entries = Object.entries({ recordsPerSecond, bytesPerSecond, bytesBurst })
  for (const [name, value] of entries) checkInteger(name, value, 1, limitMax)
  return BigUint64Array.from(entries, ([, value]) => BigInt(value))
}
