import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Producer } from '../../../src/client/producer.ts'
import { type ProducerOptions, producerSettings } from '../../../src/client/producer-options.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import { frameBytesMax } from '../../../src/limits.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { ModelExchange } from '../../support/model-exchange.ts'

const passing: readonly ErrorCode[] = ['DISK_FULL', 'THROUGHPUT_EXCEEDED', 'SHARD_CLOSED']
const encoder = new TextEncoder()
const open: readonly ErrorCode[] = ['LOG_FAILED', 'INTERNAL']

test('whatever the broker does for a time: each record once, in the order of its key', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ put: fc.nat(5), size: fc.nat(300) }) },
    { weight: 3, arbitrary: fc.record({ answer: fc.nat(9), refuse: fc.nat(7) }) },
    {
      weight: 3,
      arbitrary: fc.record({ answer: fc.nat(9), room: fc.nat(4), isLost: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ wait: fc.nat(200) }) },
  )
  const options: fc.Arbitrary<ProducerOptions & { bytesMax: number; inFlightMax: number }> =
    fc.record({
      batchRecordsMax: fc.integer({ min: 1, max: 20 }),
      batchBytesMax: fc.integer({ min: 100, max: 2000 }),
      inFlightMax: fc.integer({ min: 1, max: 5 }),
      lingerMillis: fc.nat(3),
      bytesMax: fc.constantFrom(1000, 3000),
    })
  await fc.assert(
    fc.asyncProperty(options, fc.array(step, { maxLength: 150 }), async (settings, steps) => {
      const clock = new FakeClock()
      const exchange = new ModelExchange()
      let nextId = 1n
      const producer = new Producer({
        exchange,
        clock,
        streamName: 's',
        settings: producerSettings(settings, frameBytesMax),
        newId: () => nextId++,
      })
      const wanted = new Map<string, string[]>()
      const puts: Promise<void>[] = []
      for (const [index, it] of steps.entries()) {
        if ('put' in it) {
          const key = `k${it.put}`
          const text = `${index} ${'x'.repeat(it.size)}`
          wanted.set(key, [...(wanted.get(key) ?? []), text])
          puts.push(producer.put({ key, data: encoder.encode(text) }))
        } else if ('room' in it) {
          const put = exchange.waiting[it.answer % Math.max(1, exchange.waiting.length)]
          const room = (shard: number) => (shard === 2 ? undefined : it.room)
          if (it.isLost) put?.storeSilently(new MillraceError('LOG_FAILED'), room)
          else put?.store(room)
          await settle()
        } else if ('answer' in it) {
          const put = exchange.waiting[it.answer % Math.max(1, exchange.waiting.length)]
          const code = passing[it.refuse] ?? 'DISK_FULL'
          if (it.refuse < passing.length) put?.store((shard) => (shard === 0 ? code : undefined))
          else if (it.refuse === 3) put?.fail(new MillraceError('LIMIT_EXCEEDED'))
          else if (it.refuse < 6)
            put?.storeSilently(new MillraceError(open[it.refuse - 4] ?? 'INTERNAL'))
          else put?.store()
          await settle()
        } else {
          await clock.advance(it.wait)
        }
      }
      for (let i = 0; i < 2000 && producer.stats.bufferedRecords > 0; i += 1) {
        await clock.advance(i)
        for (const put of [...exchange.waiting]) put.store()
        await settle()
      }
      await Promise.all(puts)
      await producer.flush()
      expect(exchange.storedByKey()).toEqual(wanted)
      expect(producer.stats.bufferedBytes).toBe(0)
      expect(producer.stats.bufferedBytesPeak).toBeLessThanOrEqual(settings.bytesMax)
      // Those that a shard has no room for go in a request of their own.
      const inFlightMax = settings.inFlightMax + exchange.shards.length
      expect(exchange.inFlightPeak).toBeLessThanOrEqual(inFlightMax)
    }),
    { numRuns: 800 },
  )
}, 60_000)
