/** The ranges of hash keys of a stream's first shards. Pure. */

/** Both ends belong to the range. */
export interface HashRange {
  readonly startingHashKey: bigint
  readonly endingHashKey: bigint
}

const hashSpace = 2n ** 128n
export const hashKeyMax: bigint = hashSpace - 1n

/**
 * `count` ranges that tile 0 to 2^128-1: each has floor(2^128 / count) keys, the last one also what
 * the division leaves.
 */
export function uniformHashRanges(count: number): HashRange[] {
  const width = hashSpace / BigInt(count)
  return Array.from({ length: count }, (_, index) => ({
    startingHashKey: BigInt(index) * width,
    endingHashKey: index === count - 1 ? hashKeyMax : BigInt(index + 1) * width - 1n,
  }))
}
