import { expect, test } from 'vitest'
import { StreamReader } from '../../../src/client/reader.ts'
import { readerSettings } from '../../../src/client/reader-options.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelStream } from '../../support/model-stream.ts'

/** Reads a stream from its oldest record on; what is read comes while the clock goes on. */
function open(stream: ModelStream) {
  const clock = new FakeClock()
  const settings = readerSettings({ from: 'oldest' }, 's')
  const parts = { verbs: stream.verbs, clock, streamName: 's', settings, signal: undefined }
  const reader = new StreamReader(parts)
  const next = async (): Promise<RecordBatch> => {
    const result = reader.next()
    let isThere = false
    const done = () => {
      isThere = true
    }
    result.then(done, done)
    for (let i = 0; i < 100 && !isThere; i += 1) {
      await settle()
      await clock.advance(100)
    }
    const { value } = await result
    if (value === undefined) throw new Error('the reader has ended')
    return value
  }
  return { reader, next }
}

const textsOf = (batch: RecordBatch) => Array.from(batch, (it) => new TextDecoder().decode(it.data))

/** A stream whose first shard was split while its reader was at the beginning. */
async function half() {
  const stream = new ModelStream(1)
  stream.put(0, ...Array.from({ length: 30 }, (_, i) => String(i)))
  const { reader, next } = open(stream)
  const texts = textsOf(await next())
  stream.reshard([0], 2)
  stream.put(1, 'x')
  stream.put(2, 'y')
  return { stream, reader, next, texts }
}

test('a shard that expires before it is read to its end is a gap, children follow', async () => {
  const { stream, reader, next, texts } = await half()
  stream.expired.add(0)
  const gaps: unknown[] = []
  while (!texts.includes('x') || !texts.includes('y')) {
    const batch = await next()
    texts.push(...textsOf(batch))
    if (batch.gap !== undefined) gaps.push(batch.gap)
  }
  const count = texts.length - 2
  expect(count).toBeLessThan(30)
  const shardId = 'shardId-000000000000'
  expect(gaps).toEqual([{ shardId, lostFrom: BigInt(count + 1), firstAvailable: undefined }])
  await reader.close()
})

test('a shard that is gone with its stream ends the reading', async () => {
  const { stream, next } = await half()
  for (const index of [0, 1, 2]) stream.expired.add(index)
  const ended = async () => {
    for (;;) await next()
  }
  await expect(ended()).rejects.toMatchObject({ code: 'SHARD_NOT_FOUND' })
})
