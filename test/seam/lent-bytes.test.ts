/** The bytes of an append or a put are read during the call alone: the caller's again after it. */

import { Packr } from 'msgpackr'
import { describe, expect, it } from 'vitest'
import {
  BatchBuilder,
  type NativeLog,
  openLog,
  type ShardId,
  SliceCursor,
} from '../../src/index.ts'
import { makeLog } from './harness.ts'

const packr = new Packr({ useRecords: false, int64AsType: 'bigint' })
const routes = 3
const rounds = 60

/** Of round `i`: few bytes, some pages, and now and then more than a small segment takes. */
function dataOf(i: number): Buffer {
  return Buffer.alloc(1 + ((i * 7919) % 20_000) + (i % 20 === 19 ? 70_000 : 0), `${i} of many, `)
}

/** All records of a shard, as the hex of their data. */
async function readAll(log: NativeLog, shard: ShardId): Promise<string[]> {
  const texts: string[] = []
  let { start, end } = { start: 0n, end: (await log.shardStats(shard)).committedEnd }
  while (start < end) {
    const slice = await log.read(shard, { position: start as never }, 1 << 20)
    for (const { data } of new SliceCursor(slice.bytes))
      texts.push(Buffer.from(data).toString('hex'))
    start += BigInt(slice.bytes.length)
  }
  return texts
}

const expected = Array.from({ length: rounds }, (_, i) => dataOf(i).toString('hex'))

/** What one memory, used again and again, is handed over with. */
type HandOver = (log: NativeLog, shard: ShardId, memory: Uint8Array, i: number) => Promise<unknown>

async function check(handOver: HandOver): Promise<void> {
  const { log, shard, dir } = await makeLog({ segmentBytesMin: 1 << 16, segmentBytesMax: 1 << 20 })
  log.setRoutes(routes, [{ shard, endingHashKey: 2n ** 128n - 1n }])
  const memory = new Uint8Array(100_000)
  const answers: Promise<unknown>[] = []
  for (let i = 0; i < rounds; i += 1) {
    answers.push(handOver(log, shard, memory, i))
    // Not at the end of the turn, and not when it is acknowledged: now.
    memory.fill(0xee)
  }
  await Promise.all(answers)
  expect(await readAll(log, shard)).toEqual(expected)
  await log.close()
  const again = await openLog({ dir })
  expect(await readAll(again, shard)).toEqual(expected)
  expect(await again.scrub()).toMatchObject({ recordCount: rounds, damaged: [] })
  await again.close()
}

/** Puts bytes in front of the memory. */
function lend(memory: Uint8Array, bytes: Uint8Array): Uint8Array {
  memory.set(bytes)
  return memory.subarray(0, bytes.length)
}

describe.each(['disk', 'os'] as const)('with durability %s', (durability) => {
  it('those of an append may be overwritten once the call is back', () =>
    check((log, shard, memory, i) => {
      const builder = new BatchBuilder()
      builder.add('key', dataOf(i))
      const batch = { bytes: lend(memory, builder.bytes), count: builder.count }
      return log.append(shard, batch, { durability })
    }))

  it('those of a put may be overwritten once the call is back', () =>
    check((log, _, memory, i) => {
      const body = Buffer.concat(
        [[['key', dataOf(i)]], null, 0, 0].map((value) => packr.pack(value)),
      )
      return log.putRecords(routes, lend(memory, body), { durability })
    }))
})
