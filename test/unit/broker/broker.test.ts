import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { Broker } from '../../../src/broker/broker.ts'
import { decodeBrokerFrame, parseAnswer } from '../../../src/wire/frame.ts'
import {
  createStream,
  describeStreamSummary,
  getRecords,
  getShardIterator,
  putRecords,
} from '../../../src/wire/operations.ts'
import { putResults } from '../../../src/wire/put-answer.ts'
import { encodePutRecords } from '../../../src/wire/put-builder.ts'
import { SliceCursor } from '../../../src/wire/slice-cursor.ts'

test('what is put comes out again, and os is acknowledged before put returns', async () => {
  const base = mkdtempSync(join(tmpdir(), 'millrace-broker-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const broker = await Broker.open({ dir: join(base, 'data') })
  await broker.call(createStream, { streamName: 's', shardCount: 2 })
  const statusOf = async () =>
    (await broker.call(describeStreamSummary, { streamName: 's' })).streamStatus
  expect(await statusOf()).toBe('CREATING')
  await expect.poll(statusOf).toBe('ACTIVE')

  const records = [
    { key: 'a', data: new Uint8Array([1]) },
    { key: 'b', data: new Uint8Array([2]) },
  ]
  const answers: Uint8Array[] = []
  broker.put(encodePutRecords(7, { streamName: 's', durability: 'os' }, records), (frame) => {
    answers.push(frame)
  })
  expect(answers.length).toBe(1)
  const frame = decodeBrokerFrame(answers[0] as Uint8Array)
  if (frame.kind !== 'answer') throw new Error(`got ${frame.kind}`)
  const answer = parseAnswer(putRecords, frame.values)
  expect(answer.durability).toBe('os')
  expect(putResults(answer)).toEqual([
    { shardId: 'shardId-000000000000', sequenceNumber: 1n },
    { shardId: 'shardId-000000000001', sequenceNumber: 1n },
  ])

  for (const [shardId, key] of [
    ['0', 'a'],
    ['1', 'b'],
  ] as const) {
    const { shardIterator } = await broker.call(getShardIterator, {
      streamName: 's',
      shardId,
      shardIteratorType: 'TRIM_HORIZON',
    })
    const got = await broker.call(getRecords, { shardIterator })
    expect(Array.from(new SliceCursor(got.slice), (it) => it.partitionKey)).toEqual([key])
    expect(got.recordCount).toBe(1)
    expect(got.millisBehindLatest).toBe(0)
  }
  await broker.close()
})
