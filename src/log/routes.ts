/** The routes of a stream in the form in which native takes them. */

import { describe } from '../wire/arguments.ts'
import { type Route, shardId } from './log.ts'

const hashKeyMax = 2n ** 128n - 1n
const halfBits = 64n
const routeBytes = 24

/**
 * 24 bytes per route, big-endian: ending hash key, shard id. Throws a TypeError or a RangeError.
 */
export function encodeRoutes(routes: readonly Route[]): Uint8Array<ArrayBuffer> {
  if (!Array.isArray(routes))
    throw new TypeError(`routes: wanted an array, got ${describe(routes)}`)
  const table = new DataView(new ArrayBuffer(routes.length * routeBytes))
  routes.forEach(({ shard, endingHashKey }: Route, index) => {
    if (typeof endingHashKey !== 'bigint') {
      throw new TypeError(`ending hash key: wanted a bigint, got ${describe(endingHashKey)}`)
    }
    if (endingHashKey < 0n || endingHashKey > hashKeyMax) {
      throw new RangeError(`ending hash key is ${endingHashKey}, it must be 0 to 2^128-1`)
    }
    table.setBigUint64(index * routeBytes, endingHashKey >> halfBits)
    table.setBigUint64(index * routeBytes + 8, BigInt.asUintN(64, endingHashKey))
    table.setBigUint64(index * routeBytes + 16, shardId(shard))
  })
  return new Uint8Array(table.buffer)
}
