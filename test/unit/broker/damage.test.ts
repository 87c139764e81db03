/** Records that are damaged on disk, and disks that are full. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import {
  addTagsToStream,
  createStream,
  deleteStream,
  listStreams,
} from '../../../src/wire/operations.ts'
import {
  failure,
  get,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  put,
  putMany,
  readShard,
  textRecord,
  untilGone,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'

/** Changes one byte of the data of a record in the files of a directory. */
function damage(dir: string, text: string): void {
  const log = join(dir, 'log')
  for (const name of readdirSync(log)) {
    const bytes = readFileSync(join(log, name))
    const at = bytes.indexOf(text)
    if (at === -1) continue
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(join(log, name), bytes)
    return
  }
  throw new Error(`there is no ${text}`)
}

function iteratorAt(broker: Broker, startingSequenceNumber: bigint) {
  const shardIteratorType = 'AT_SEQUENCE_NUMBER'
  return iteratorOf(broker, { streamName, shardId: '0', shardIteratorType, startingSequenceNumber })
}

test('a reader gets what is before the damage, then its range, and goes on behind it', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  const texts = Array.from({ length: 40 }, (_, i) => `record-${i}-${'.'.repeat(5000)}`)
  for (const text of texts) await put(made.broker, { streamName }, textRecord('k', text))
  await made.broker.close()
  damage(made.dir, 'record-7-')
  await made.reopen()
  const { broker } = made

  let next = await iteratorAt(broker, 1n)
  const before: string[] = []
  while (before.length < 7) {
    const answer = await get(broker, next, 3)
    expect(answer.millisBehindLatest).toBeGreaterThan(0)
    before.push(...answer.records.map((it) => it.text))
    next = answer.nextShardIterator ?? ''
  }
  expect(before).toEqual(texts.slice(0, 7))
  for (let again = 0; again < 2; again += 1) {
    const error = await failure(get(broker, next))
    expect(error.code).toBe('LOG_CORRUPT')
    expect(error.range).toEqual({ start: 8n, end: 9n })
    expect(error.message).toBe(
      'Records 8 to 8 of shard shardId-000000000000 in stream s are damaged on disk. ' +
        'Go on with an iterator AT_SEQUENCE_NUMBER 9.',
    )
  }
  const after: string[] = []
  next = await iteratorAt(broker, 9n)
  for (let behind = 1; behind > 0; ) {
    const answer = await get(broker, next)
    after.push(...answer.records.map((it) => it.text))
    next = answer.nextShardIterator ?? ''
    behind = answer.millisBehindLatest
  }
  expect(after).toEqual(texts.slice(8))
  expect((await broker.stats()).streams[0]?.readRefused).toEqual(new Map([['LOG_CORRUPT', 2]]))
})

test('on a full disk puts and creations are refused, reads and deletions go on', async () => {
  const { broker: before, dir } = await makeBroker()
  await makeStream(before, streamName, 2)
  await put(before, { streamName }, { ...textRecord('k', 'x'), explicitHashKey: 0n })
  await before.close()
  const full = { ...logOptions, diskLowWaterBytes: Number.MAX_SAFE_INTEGER }
  const { broker } = await makeBroker({ dir, logOptions: full })
  const os = { streamName, durability: 'os' } as const
  expect((await failure(put(broker, os, textRecord('k', '')))).code).toBe('DISK_FULL')
  const results = await putMany(broker, os, [textRecord('a', ''), textRecord('b', '')])
  expect(results).toMatchObject([{ errorCode: 'DISK_FULL' }, { errorCode: 'DISK_FULL' }])
  const creation = await failure(broker.call(createStream, { streamName: 't' }))
  expect([creation.code, creation.retryable]).toEqual(['DISK_FULL', true])
  const tags = [{ key: 'k', value: 'v' }]
  const tagging = broker.call(addTagsToStream, { streamName, tags })
  expect((await failure(tagging)).code).toBe('DISK_FULL')
  expect(await readShard(broker, streamName, '0')).toHaveLength(1)
  await broker.call(deleteStream, { streamName })
  await untilGone(broker, streamName)
  expect((await broker.call(listStreams, {})).streamSummaries).toEqual([])
})
