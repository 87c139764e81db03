import { expect, test } from 'vitest'
import { Reading, textsOf } from './reader-harness.ts'

/** A stream whose first shard was split while its reader was at the beginning. */
async function half() {
  const reading = new Reading(1)
  const { stream } = reading
  stream.put(0, ...Array.from({ length: 30 }, (_, i) => String(i)))
  const reader = reading.read({ from: 'oldest' })
  const next = () => reading.nextBatch(reader)
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
