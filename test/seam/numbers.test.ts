import { describe, expect, it } from 'vitest'
import { openLog, type Position, SliceCursor, sequenceNumber } from '../../src/index.ts'
import { makeBatch, makeLog } from './harness.ts'

const edges = [1n, 2n ** 31n - 2n, 2n ** 32n - 2n, 2n ** 53n - 2n, 2n ** 63n - 2n]

describe('sequence numbers keep every bit (T-L15)', () => {
  it.each(edges)('from %s on', async (first) => {
    const { log, dir } = await makeLog()
    const [shard] = await log.createShards([sequenceNumber(first)])
    if (shard === undefined) throw new Error('no shard')
    let next = first
    for (const count of [1, 2, 3, 1]) {
      const expected = sequenceNumber(next)
      const answer = await log.append(shard, makeBatch(count, 8), {
        expectedSequenceNumber: expected,
      })
      expect(answer).toMatchObject({ firstSequenceNumber: next, count })
      next += BigInt(count)
    }
    await expect(
      log.append(shard, makeBatch(1, 8), { expectedSequenceNumber: sequenceNumber(next - 1n) }),
    ).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    const slice = await log.read(shard, { position: 0n as Position }, 65_536)
    const numbers = Array.from(new SliceCursor(slice.bytes), (record) => record.sequenceNumber)
    expect(numbers).toEqual(Array.from({ length: 7 }, (_, i) => first + BigInt(i)))
    const middle = await log.seek(shard, sequenceNumber(first + 4n))
    expect((await log.read(shard, { position: middle }, 1)).firstSequenceNumber).toBe(first + 3n)
    await log.trim(shard, sequenceNumber(first + 4n))
    await log.close()
    const again = await openLog({ dir })
    expect(await again.shardStats(shard)).toMatchObject({
      firstSequenceNumber: first + 3n,
      nextSequenceNumber: next,
      committedNextSequenceNumber: next,
    })
    await again.close()
  })

  it('producers and epochs too', async () => {
    const { log, shard } = await makeLog()
    const batch = makeBatch(2, 8)
    const producerId = 2n ** 64n - 1n
    const send = (producerSequence: number, epoch: number) =>
      log.append(shard, batch, { producerId, producerSequence, epoch })
    const first = await send(2 ** 32 - 2, 2 ** 31)
    expect(await send(2 ** 32 - 2, 2 ** 31)).toEqual({ ...first, duplicate: true })
    const second = await send(2 ** 32 - 1, 2 ** 32 - 1)
    expect(second).toMatchObject({ firstSequenceNumber: 3n, duplicate: false })
    await expect(send(2 ** 32 - 1, 5)).rejects.toMatchObject({ code: 'WRITER_FENCED' })
    const gap = log.append(shard, batch, { producerId: 9n, producerSequence: 1 })
    expect(await gap).toMatchObject({ duplicate: false })
    await expect(
      log.append(shard, batch, { producerId: 9n, producerSequence: 3 }),
    ).rejects.toMatchObject({ code: 'PRODUCER_SEQUENCE_GAP' })
  })
})
