/** Those who have had everything are sent what comes where they wait. */

import { expect, onTestFinished, test, vi } from 'vitest'
import type { Log } from '../../../../src/log/log.ts'
import { Random } from '../../../support/random.ts'
import { type FakeSink, makeFanOut, type TestFanOut, toShard, turns, until } from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

/** So many subscribers of one shard, who wait for records. */
async function openWaiting(made: TestFanOut, count: number, creditBytes = 1024 * 1024) {
  const opened = Array.from({ length: count }, () => made.open())
  const subscribers = await Promise.all(
    opened.map(async ({ sink, subscriptions }) => {
      const { subscriptionId } = await toShard(subscriptions, 0, { creditBytes })
      return { sink, subscriptions, subscriptionId, returned: 0 }
    }),
  )
  await until(() => opened.every(({ sink }) => sink.count > 0))
  for (const { sink } of opened) sink.take()
  return subscribers
}

function textsOf({ told }: FakeSink): string[] {
  return told.flatMap((it) => it.texts ?? [])
}

function bytesOf({ told }: FakeSink): number {
  return told.reduce((sum, it) => sum + (it.bytes ?? 0), 0)
}

test.each(['PROVISIONED', 'ON_DEMAND'] as const)(
  'everybody gets everything, once and in order, whoever does not take it meanwhile: %s',
  async (streamMode) => {
    const seed = Number(process.env['MILLRACE_LIVE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    const random = new Random(seed)
    const made = await makeFanOut(1, { streamMode })
    const creditBytes = 1500
    const subscribers = await openWaiting(made, 50, creditBytes)
    const put: string[] = []
    const wrongs: string[] = []
    for (const one of subscribers) {
      const { sink } = one
      sink.onPush = () => {
        if (sink.told.at(-1)?.kind !== 'slice') return
        if (sink.waiting > 0) wrongs.push('a slice came while others waited')
        if (bytesOf(sink) - one.returned > creditBytes) wrongs.push('a slice came without credit')
      }
    }
    const giveBack = (one: (typeof subscribers)[number]) => {
      const bytes = bytesOf(one.sink) - one.returned
      one.returned += bytes
      if (bytes > 0) one.subscriptions.credit(one.subscriptionId, bytes)
    }
    const goOn = (one: (typeof subscribers)[number]) => {
      Object.assign(one.sink, { isReading: true, waiting: 0 })
      one.subscriptions.drained()
    }
    const steps = [
      (one: (typeof subscribers)[number]) => {
        one.sink.isReading = false
      },
      goOn,
      () => subscribers.filter(() => random.chance(2)).forEach(giveBack),
      () => turns(1),
      () => {
        put.push(String(put.length))
        return made.put(0, put.slice(-1), random.below(300))
      },
    ]
    for (let step = 0; step < 600; step += 1) await random.pick(steps)(random.pick(subscribers))
    const isDone = () => subscribers.every(({ sink }) => textsOf(sink).length >= put.length)
    await until(() => {
      for (const one of subscribers) {
        goOn(one)
        giveBack(one)
      }
      // Time goes on, too: PROVISIONED streams have a pace.
      made.clock.millis += 1000
      return isDone()
    })
    await turns()
    expect(wrongs, `replay: MILLRACE_LIVE_SEED=${seed}`).toEqual([])
    for (const { sink } of subscribers) {
      expect(textsOf(sink), `replay: MILLRACE_LIVE_SEED=${seed}`).toEqual(put)
    }
  },
)

test('who ends the one whose turn is next holds up nobody behind it', async () => {
  const made = await makeFanOut()
  const [first, next, ...others] = await openWaiting(made, 4)
  if (first === undefined || next === undefined) throw new Error('there are four')
  // Too large to wait for the others: it is sent at once. All have it in the turn of the first.
  const put = made.put(0, ['a'], 20_000)
  await new Promise<void>((resolve) => {
    first.sink.onPush = () => {
      next.subscriptions.close()
      process.nextTick(resolve)
    }
  })
  const texts = [first, next, ...others].map(({ sink }) => textsOf(sink))
  await put
  expect(texts).toEqual([['a'], [], ['a'], ['a']])
})

test('what comes before all have had the last of it is for each what it lacks', async () => {
  const watched = new WatchLog()
  const wrap = (log: Log) => watched.wrap(log)
  const made = await makeFanOut(1, { wrap, limits: { roundMillisMax: 1 } })
  const [first, ...others] = await openWaiting(made, 64)
  if (first === undefined) throw new Error('there are many')
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 2
    return now
  })
  onTestFinished(() => clock.mockRestore())
  const puts: Promise<unknown>[] = []
  const served: number[] = []
  // A round is over that has served some. Those who have their turn together then are not the same.
  first.sink.onPush = () => {
    puts.push(made.put(0, ['b']))
    first.subscriptions.close()
    watched.tell(made.shard(0).number)
    setImmediate(() => served.push(others.filter(({ sink }) => sink.told.length > 0).length))
  }
  await made.put(0, ['a'])
  await until(() => others.every(({ sink }) => textsOf(sink).includes('b')))
  await Promise.all(puts)
  await turns()
  expect(textsOf(first.sink)).toEqual(['a'])
  expect(served[0]).toBeLessThan(others.length)
  for (const { sink } of others) expect(textsOf(sink)).toEqual(['a', 'b'])
})
