/** Those who have had everything are sent what comes where they wait. */

import { expect, test, vi } from 'vitest'
import type { Log } from '../../../../src/log/log.ts'
import { Random } from '../../../support/random.ts'
import {
  type FakeSink,
  makeClockJump,
  makeFanOut,
  openWaiting,
  textsOf,
  toShard,
  toStream,
  turns,
  until,
  type WaitingSubscriber,
} from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

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
    const giveBack = (one: WaitingSubscriber) => {
      const bytes = bytesOf(one.sink) - one.returned
      one.returned += bytes
      if (bytes > 0) one.subscriptions.credit(one.subscriptionId, bytes)
    }
    const goOn = (one: WaitingSubscriber) => {
      Object.assign(one.sink, { isReading: true, waiting: 0 })
      one.subscriptions.drained()
    }
    const steps = [
      (one: WaitingSubscriber) => {
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
  makeClockJump()
  const puts: Promise<unknown>[] = []
  const served: number[] = []
  // A round is over that has served some. Those who have their turn together then are not the same.
  first.sink.onPush = () => {
    puts.push(made.put(0, ['b']))
    first.subscriptions.close()
    watched.tell(made.shard(0).number)
    setImmediate(() => served.push(others.filter(({ sink }) => sink.told.length > 0).length))
  }
  const last = others.at(-1)
  if (last === undefined) throw new Error('there are many')
  last.sink.onPush = () => {
    if (puts.length > 1) return
    puts.push(made.put(0, ['c']))
    watched.tell(made.shard(0).number)
  }
  await made.put(0, ['a'])
  await until(() => others.every(({ sink }) => textsOf(sink).includes('c')))
  await Promise.all(puts)
  await turns()
  expect(textsOf(first.sink)).toEqual(['a'])
  expect(served[0]).toBeLessThan(others.length)
  for (const { sink } of others) expect(textsOf(sink)).toEqual(['a', 'b', 'c'])
})

test('a shard that moves all the time is sent to everybody, in several rounds', async () => {
  const made = await makeFanOut(1, { limits: { roundMillisMax: 1 } })
  const subscribers = await openWaiting(made, 64)
  makeClockJump()
  const puts: Promise<unknown>[] = []
  for (let move = 0; move < 40; move += 1) {
    puts.push(made.put(0, [String(move)]))
    await turns(1)
  }
  const counts = subscribers.map(({ sink }) => textsOf(sink).length)
  await Promise.all(puts)
  // All have their turn in four rounds.
  expect(Math.min(...counts)).toBeGreaterThan(20)
})

test('who puts records as it takes a slice keeps them from nobody', async () => {
  const watched = new WatchLog()
  const wrap = (log: Log) => watched.wrap(log)
  const made = await makeFanOut(1, { wrap })
  const [first, ...others] = await openWaiting(made, 8)
  if (first === undefined) throw new Error('there are eight')
  const puts: Promise<unknown>[] = []
  first.sink.onPush = () => {
    if (puts.length > 0) return
    puts.push(made.put(0, ['b']))
    watched.tell(made.shard(0).number)
    // That was the last that is heard of it.
    watched.isDeaf = true
  }
  await made.put(0, ['a'], 20_000)
  await Promise.all(puts)
  await turns(20)
  for (const { sink } of [first, ...others]) expect(textsOf(sink)).toEqual(['a', 'b'])
})

test('what comes to one shard overtakes nothing that waits for credit in another', async () => {
  const made = await makeFanOut(2, { limits: { connectionCreditBytesMax: 500 } })
  const { sink, subscriptions } = made.open()
  const { subscriptionId } = await toStream(subscriptions)
  await until(() => sink.count > 0)
  sink.take()
  await made.put(0, ['a'], 200)
  await until(() => sink.count > 1)
  const [{ bytes = 0 } = {}] = sink.told
  expect(2 * bytes).toBeGreaterThan(500)
  await made.put(0, ['b'], 200)
  await turns(20)
  await made.put(1, ['c'])
  await turns(20)
  expect(sink.takeTexts()).toEqual(['a'])
  subscriptions.credit(subscriptionId, bytes)
  await until(() => sink.told.length === 2)
  expect(sink.takeTexts()).toEqual(['b', 'c'])
})

test('subscriptions with batches larger than a slice have their turns', async () => {
  const made = await makeFanOut(2, {
    segmentBytes: 4 * 1024 * 1024,
    limits: { connectionCreditBytesMax: 150 * 1024 },
  })
  const { sink, subscriptions } = made.open()
  const ids = new Map<bigint, number>()
  for (const index of [0, 1]) {
    const { subscriptionId } = await toShard(subscriptions, index)
    ids.set(made.shard(index).number, subscriptionId)
  }
  await until(() => sink.count >= 2)
  const puts: Promise<unknown>[] = []
  for (let batch = 0; batch < 6; batch += 1) {
    for (const index of [0, 1]) puts.push(made.put(index, [`${index}${batch}`], 100_000))
  }
  await Promise.all(puts)
  const texts: string[] = []
  await until(() => {
    for (const { kind, shardNumber = 0n, bytes = 0, texts: keys = [] } of sink.take()) {
      if (kind !== 'slice') continue
      texts.push(...keys)
      subscriptions.credit(ids.get(shardNumber) as number, bytes)
    }
    return texts.length === 12
  })
  for (const index of ['0', '1']) {
    const ofShard = texts.filter((it) => it.startsWith(index))
    expect(ofShard).toEqual([0, 1, 2, 3, 4, 5].map((batch) => `${index}${batch}`))
  }
})

test('who has others read as it takes a slice changes it for nobody', async () => {
  const made = await makeFanOut()
  const subscribers = await openWaiting(made, 8)
  const [behind] = await openWaiting(made, 1, 1)
  const [first] = subscribers
  if (behind === undefined || first === undefined) throw new Error('there are nine')
  const putForAll = async (text: string, dataBytes?: number) => {
    await made.put(0, [text], dataBytes)
    await until(() => subscribers.every(({ sink }) => textsOf(sink).includes(text)))
  }
  await putForAll('a')
  await putForAll('b')
  // How far the one without credit is behind is read from the log.
  first.sink.onPush = () => void made.fanOut.stats()
  await putForAll('c', 20_000)
  await turns()
  for (const { sink } of subscribers) expect(textsOf(sink)).toEqual(['a', 'b', 'c'])
  expect(textsOf(behind.sink)).toEqual(['a'])
})
