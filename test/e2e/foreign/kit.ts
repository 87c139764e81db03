/** What a client does with answers, as PROTOCOL.md says. Imports no code of ours. */

import { createHash, randomBytes } from 'node:crypto'
import { type ForeignClient, opcodes } from './client.ts'
import { type ForeignRecord, readSlice } from './slice.ts'

export type Row = readonly unknown[]
export type Placed = [shardId: string, sequenceNumber: bigint]

export async function createStream(
  client: ForeignClient,
  name: string,
  shardCount: number,
): Promise<void> {
  await client.request(opcodes.createStream, name, shardCount)
  // R17: until it is ACTIVE.
  for (;;) {
    const [, status] = await client.request(opcodes.describeStreamSummary, name)
    if (status === 'ACTIVE') return
  }
}

export const number = (bytes: unknown) =>
  BigInt(`0x${Buffer.from(bytes as Uint8Array).toString('hex')}`)

export interface Shard {
  readonly id: string
  readonly start: bigint
  readonly end: bigint
  readonly shardNumber: bigint
}

/** All shards of a stream, page by page. */
export async function listShards(
  client: ForeignClient,
  name: string,
  pageSize: number,
): Promise<Shard[]> {
  const rows: Row[] = []
  let token: unknown = null
  do {
    const first = token === null
    const [page, next = null] = await client.request(
      opcodes.listShards,
      first ? name : null,
      token,
      null,
      pageSize,
    )
    if ((page as Row[]).length > pageSize) throw new Error('a page is too long')
    rows.push(...(page as Row[]))
    token = next
  } while (token !== null)
  return rows.map(([id, , , start, end, , , shardNumber]) => ({
    id: String(id),
    start: number(start),
    end: number(end),
    shardNumber: BigInt(shardNumber as bigint),
  }))
}

/** R21. */
export function route(shards: readonly Shard[], key: string, explicitHashKey?: bigint): Shard {
  const hash = explicitHashKey ?? number(createHash('md5').update(key).digest())
  const shard = shards.find((it) => it.start <= hash && hash <= it.end)
  if (shard === undefined) throw new Error(`no shard has ${hash}`)
  return shard
}

/** R23. */
export function placesOf([, indexes, outcome]: Row): (Placed | string)[] {
  const [shards, ordinals] = outcome as [[bigint, bigint, number, string | null][], Uint8Array]
  const seen = shards.map(() => 0n)
  return Array.from(ordinals, (ordinal) => {
    const [, first, , code] = shards[ordinal] as [bigint, bigint, number, string | null]
    if (code !== null) return code
    const sequenceNumber = BigInt(first) + (seen[ordinal] as bigint)
    seen[ordinal] = (seen[ordinal] as bigint) + 1n
    const index = String((indexes as number[])[ordinal]).padStart(12, '0')
    return [`shardId-${index}`, sequenceNumber]
  })
}

export async function iterator(
  client: ForeignClient,
  stream: string,
  shardId: string,
  ...fields: Row
): Promise<string> {
  const [text] = await client.request(opcodes.getShardIterator, stream, shardId, ...fields)
  return String(text)
}

/** R29 and R30: everything from an iterator to the end of the shard as it is now. */
export async function readOn(
  client: ForeignClient,
  start: string,
  limit: number,
): Promise<ForeignRecord[]> {
  const records: ForeignRecord[] = []
  let from = start
  for (;;) {
    const answer = await client.request(opcodes.getRecords, from, limit)
    const [next, behind, , first, count, slice] = answer as [
      string,
      number,
      Row,
      bigint,
      number,
      Uint8Array,
    ]
    const window = readSlice(slice).filter((it) => it.sequenceNumber >= BigInt(first))
    if (count > limit || window.length < count) throw new Error('not the records it says')
    records.push(...window.slice(0, count))
    if (behind === 0) return records
    from = next
  }
}

export const hashKey = (value: bigint) => Buffer.from(value.toString(16).padStart(32, '0'), 'hex')
export const producer = () => randomBytes(8).readBigUInt64BE() | 1n
