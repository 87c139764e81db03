/** The names of shards: `shardId-000000000007` is the shard with index 7 of its stream. */

const digits = 12
const indexMax = 2 ** 31 - 1

/** The name of the shard with this index. */
export function shardIdText(index: number): string {
  return `shardId-${String(index).padStart(digits, '0')}`
}

/**
 * The index that a shard id names, or undefined where it names none. Lenient, as Kinesis is: what
 * stands behind the first `-`, or all of it, is a decimal number (`shardId-7`, `foo-7` and `7`).
 */
export function parseShardId(text: string): number | undefined {
  const number = text.slice(text.indexOf('-') + 1)
  if (!/^\d{1,128}$/.test(number)) return undefined
  const index = Number(number)
  return index <= indexMax ? index : undefined
}
