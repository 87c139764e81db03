/** What keeps those who wait from being sent to at once, and what they are told beside records. */

import { expect, onTestFinished, test, vi } from 'vitest'
import { heartbeatMillis } from '../../../../src/limits.ts'
import type { Log } from '../../../../src/log/log.ts'
import { shardIdText } from '../../../../src/wire/shard-id-text.ts'
import {
  makeClockJump,
  makeFanOut,
  openWaiting,
  textsOf,
  toShard,
  turns,
  until,
  type WaitingSubscriber,
} from './harness.ts'
import { WatchLog } from './watch-log.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const mib = 1024 * 1024
const subscriberCount = 64

/** What comes to each of them, in its order; `Heartbeat` says whether anything is behind that. */
function toldTo({ sink }: WaitingSubscriber): string[] {
  return sink.told.map(({ kind, texts, shards }) => {
    if (kind !== 'Heartbeat') return texts === undefined ? kind : texts.join()
    const [{ millisBehindLatest } = { millisBehindLatest: -1 }] = shards as {
      readonly millisBehindLatest: number
    }[]
    return millisBehindLatest === 0 ? 'caught up' : 'behind'
  })
}

/** A record has been put, and some of those who wait have it, but not all. */
async function untilSomeHaveIt(subscribers: readonly WaitingSubscriber[]): Promise<void> {
  await until(() => subscribers.some(({ sink }) => textsOf(sink).length > 0))
  const count = subscribers.filter(({ sink }) => textsOf(sink).length > 0).length
  expect(count).toBeLessThan(subscribers.length)
}

test('who waits and has been too quick is sent nothing before its time', async () => {
  const limits = { subscriptionCreditBytesMax: 4 * mib, connectionCreditBytesMax: 4 * mib }
  const made = await makeFanOut(1, { streamMode: 'PROVISIONED', segmentBytes: 8 * mib, limits })
  const [quick] = await openWaiting(made, 1, 4 * mib)
  if (quick === undefined) throw new Error('there is one')
  // More than a second is worth, in one slice: it may be sent, and what follows has to wait.
  await made.put(0, ['a', 'b', 'c'], 0.75 * mib)
  await until(() => textsOf(quick.sink).length === 3)
  const other = made.open()
  await toShard(other.subscriptions, 0, { startingPositionType: 'LATEST' })
  await until(() => other.sink.count > 0)
  for (const text of ['d', 'e']) {
    await made.put(0, [text])
    await until(() => textsOf(other.sink).includes(text))
    await turns()
    expect(textsOf(quick.sink)).toEqual(['a', 'b', 'c'])
    expect(made.fanOut.stats()).toMatchObject({ live: 1, behind: 1 })
  }
  made.clock.millis += 1000
  await until(() => textsOf(quick.sink).length === 5)
  await made.put(0, ['f'])
  await until(() => textsOf(quick.sink).includes('f') && textsOf(other.sink).includes('f'))
  await turns()
  expect(textsOf(quick.sink)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  expect(textsOf(other.sink)).toEqual(['d', 'e', 'f'])
})

test.each(['split', 'merged'])(
  'a shard that is %s while some have its last records ends for everybody, behind these',
  async (change) => {
    const watched = new WatchLog()
    const wrap = (log: Log) => watched.wrap(log)
    const made = await makeFanOut(2, { wrap, limits: { roundMillisMax: 1 } })
    const subscribers = await openWaiting(made, subscriberCount)
    Object.assign(watched, { isDeaf: true, hidesCloses: true })
    await made.put(0, ['a', 'b'])
    const children = change === 'split' ? await made.split(0) : [await made.merge(0, 1)]
    // The catalog has the children before anything is heard of the shard: nobody will be woken for
    // these when it has closed.
    makeClockJump()
    watched.tell(made.shard(0).number)
    await untilSomeHaveIt(subscribers)
    watched.hidesCloses = false
    watched.tell(made.shard(0).number)
    const hasEnded = ({ sink }: WaitingSubscriber) => sink.told.at(-1)?.kind === 'SubscriptionEnded'
    await until(() => subscribers.every(hasEnded))
    await turns()
    const childShards = children.map(({ index }) => ({ shardId: shardIdText(index) }))
    for (const { sink } of subscribers) {
      expect(sink.take()).toMatchObject([
        { kind: 'slice', texts: ['a', 'b'] },
        { kind: 'ShardEnded', shardNumber: made.shard(0).number, childShards },
        { kind: 'SubscriptionEnded' },
      ])
    }
    expect(made.fanOut.stats()).toMatchObject({ live: 0, behind: 0, waiting: 0 })
  },
)

test('who is told to be behind before its turn is told when it has caught up', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  // A marker would send everybody the long way, on which this is told in any case.
  const made = await makeFanOut(1, { idleMarkerMillis: 60_000, limits: { roundMillisMax: 1 } })
  const subscribers = await openWaiting(made, subscriberCount)
  makeClockJump()
  const put = made.put(0, ['a'])
  await untilSomeHaveIt(subscribers)
  vi.advanceTimersByTime(heartbeatMillis)
  await put
  await until(() => subscribers.every((it) => toldTo(it).includes('a')))
  await turns()
  const told = new Set(subscribers.map((it) => toldTo(it).join(', ')))
  expect([...told].sort()).toEqual(['a, caught up', 'behind, a, caught up'])
  await made.put(0, ['b'])
  await until(() => subscribers.every((it) => toldTo(it).includes('b')))
  await turns()
  // What has been said once is not said again.
  for (const it of subscribers) expect(toldTo(it).slice(-2)).toEqual(['caught up', 'b'])
})
