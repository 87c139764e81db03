/** Ranges of hash keys as people read them. */

/** `0 % to 12.5 % of the hash keys`; both ends belong to the range. */
export function hashSpaceText(startingHashKey: bigint, endingHashKey: bigint): string {
  return `${percent(startingHashKey)} to ${percent(endingHashKey + 1n)} of the hash keys`
}

/** A hash key as a share of the space, with one digit. */
function percent(hashKey: bigint): string {
  return `${Number((hashKey * 1000n) / 2n ** 128n) / 10} %`
}
