/** Ranges of hash keys as people read them. */

/** `0 % to 12.5 % of the hash keys`; both ends belong to the range. */
export function hashSpaceText(startingHashKey: bigint, endingHashKey: bigint): string {
  return `${rangeText(startingHashKey, endingHashKey)} of the hash keys`
}

/** `0 % to 12.5 %`, where it stands elsewhere of what. */
export function rangeText(startingHashKey: bigint, endingHashKey: bigint): string {
  return `${percentText(startingHashKey)} to ${percentText(endingHashKey + 1n)}`
}

/** A hash key as a share of the space, with one digit. */
export function percentText(hashKey: bigint): string {
  return `${Number((hashKey * 1000n) / 2n ** 128n) / 10} %`
}
