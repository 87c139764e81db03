import { describe, expect, test } from 'vitest'
import { connectOver } from '../../../src/client/client.ts'
import { encodeResumeToken } from '../../../src/client/resume-token.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { numbers, textsOf, usePushHarness } from './push-harness.ts'

const harness = usePushHarness()

/** Batches of one record each, of so many bytes at least. */
function putMany(count: number, bytes = 0): void {
  for (let i = 0; i < count; i += 1) harness.broker.put(0, `${i} ${'x'.repeat(bytes)}`)
}

describe('credit', () => {
  test('bounds what comes ahead of the loop', async () => {
    putMany(50, 100)
    const subscription = harness.subscribe({ from: 'oldest', creditBytes: 1000 })
    await harness.nextBatch(subscription)
    await harness.clock.advance(1000)
    const [it] = harness.broker.subscriptions
    expect(it?.outPeak).toBeLessThanOrEqual(1000)
    expect(await harness.take(subscription, 40)).toHaveLength(40)
    expect(it?.outPeak).toBeLessThanOrEqual(1000)
  })

  test('comes back in large parts, and the rest of it a moment later', async () => {
    putMany(50, 100)
    const subscription = harness.subscribe({ from: 'oldest', creditBytes: 4000 })
    await harness.take(subscription, 50)
    expect(harness.broker.credits.every((it) => it >= 1000)).toBe(true)
    const next = subscription.next()
    await harness.clock.advance(20)
    expect(harness.broker.subscriptions[0]?.out).toBe(0)
    harness.broker.put(0, 'last')
    await next
    const last = subscription.next()
    const { length } = harness.broker.credits
    await harness.clock.advance(19)
    expect(harness.broker.credits).toHaveLength(length)
    await harness.clock.advance(1)
    expect(harness.broker.credits).toHaveLength(length + 1)
    expect(harness.broker.subscriptions[0]?.out).toBe(0)
    await subscription.close()
    await last
  })

  test('that is less than a batch lets one at a time through', async () => {
    putMany(5, 300)
    const subscription = harness.subscribe({ from: 'oldest', creditBytes: 1 })
    expect(await harness.take(subscription, 5)).toHaveLength(5)
  })

  test('of batches that are passed over comes back, too', async () => {
    harness.broker.put(0, 'a', 'b', 'c')
    harness.broker.put(0, 'd')
    const number = harness.broker.stream.shards[0]?.number ?? 0n
    const position = { shardId: 'shardId-000000000000', shardNumber: number, next: 5n }
    const subscription = harness.subscribe({
      from: encodeResumeToken('s', [position]),
      creditBytes: 100,
    })
    await harness.progress(subscription.ready())
    harness.broker.put(0, 'e')
    expect(await harness.take(subscription, 1)).toEqual(['e'])
  })

  test('is not waited for while the loop is busy for long', async () => {
    putMany(20, 100)
    const subscription = harness.subscribe({ from: 'oldest', creditBytes: 1000 })
    const first = textsOf(await harness.nextBatch(subscription))
    await harness.clock.advance(29_999)
    harness.broker.heartbeat()
    await settle()
    expect(harness.broker.subscriptions).toHaveLength(1)
    await harness.clock.advance(1)
    harness.broker.heartbeat()
    await settle()
    expect(harness.broker.calls.at(-1)).toBe('Unsubscribe')
    expect(harness.broker.subscriptions).toHaveLength(0)
    const rest = await harness.take(subscription, 20 - first.length)
    expect([...first, ...rest].map((it) => it.split(' ')[0])).toEqual(numbers(0, 20))
  })
})

test('a subscription that was given up is asked for again once it is gone', async () => {
  putMany(20, 100)
  const subscription = harness.subscribe({ from: 'oldest', creditBytes: 300 })
  await settle()
  await harness.clock.advance(30_000)
  harness.broker.isHeld = true
  harness.broker.heartbeat()
  harness.broker.deliver()
  // The answer to Unsubscribe is on its way, and behind it more slices than were asked for.
  const seen = await harness.take(subscription, 1)
  const taking = harness.take(subscription, 19)
  await settle()
  expect(harness.broker.calls.at(-1)).toBe('Unsubscribe')
  harness.broker.isHeld = false
  harness.broker.wake()
  seen.push(...(await taking))
  expect(seen.map((it) => it.split(' ')[0])).toEqual(numbers(0, 20))
})

describe('a lost connection', () => {
  test('is followed by another, without a gap and without a repeat', async () => {
    const subscription = harness.subscribe({ from: 'oldest' })
    for (let i = 0; i < 10; i += 1) harness.broker.put(i % 2, String(i))
    const seen = await harness.take(subscription, 4)
    harness.broker.cut()
    for (let i = 10; i < 20; i += 1) harness.broker.put(i % 2, String(i))
    seen.push(...(await harness.take(subscription, 20 - seen.length)))
    expect(seen.map(Number).sort((a, b) => a - b)).toEqual(numbers(0, 20).map(Number))
  })

  test('adds nothing to what is held: that is delivered first', async () => {
    putMany(40, 100)
    const subscription = harness.subscribe({ from: 'oldest', creditBytes: 1000 })
    await settle()
    for (let i = 0; i < 5; i += 1) {
      harness.broker.cut()
      await harness.clock.advance(1000)
    }
    expect(harness.broker.subscriptions).toHaveLength(0)
    const texts = await harness.take(subscription, 40)
    expect(texts.map((it) => it.split(' ')[0])).toEqual(numbers(0, 40))
  })

  test('while the answer is waited for begins it again', async () => {
    harness.broker.isHeld = true
    const subscription = harness.subscribe({ from: 'oldest' })
    await settle()
    harness.broker.cut()
    harness.broker.isHeld = false
    harness.broker.put(0, 'a')
    expect(await harness.take(subscription, 1)).toEqual(['a'])
  })

  test('that is the last one ends what reads over it', async () => {
    const { broker, clock } = harness
    const last = await connectOver(broker.open, 'ws://x', { reconnect: false }, clock)
    const subscription = last.subscribe('s')
    await harness.progress(subscription.ready())
    broker.isHeld = true
    const readers = [subscription, last.read('s'), last.consume('s', { consumer: 'c' })]
    await settle()
    broker.cut()
    const text = 'the connection to ws://x was lost: 1006'
    for (const it of readers) {
      const error = { code: 'CONNECTION_LOST', message: text }
      await expect(harness.progress(it.next())).rejects.toMatchObject(error)
      await it.close()
    }
    await last.close()
  })
})

describe('connections', () => {
  test('a second subscription of the same stream has one of its own, while it lasts', async () => {
    harness.broker.put(0, 'a')
    const first = harness.subscribe({ from: 'oldest' })
    const second = harness.subscribe({ from: 'oldest' })
    expect(await harness.take(first, 1)).toEqual(['a'])
    expect(await harness.take(second, 1)).toEqual(['a'])
    expect(harness.broker.openSockets.map((it) => it.subscriptions.size)).toEqual([1, 1])
    await second.close()
    await settle()
    expect(harness.broker.openSockets).toHaveLength(1)
    expect(harness.client.state).toBe('open')
  })

  test('one that is lost is opened again for its subscription', async () => {
    const first = harness.subscribe()
    const second = harness.subscribe()
    await harness.progress(Promise.all([first.ready(), second.ready()]))
    harness.broker.cut()
    harness.broker.put(0, 'a')
    expect(await harness.take(second, 1)).toEqual(['a'])
    expect(await harness.take(first, 1)).toEqual(['a'])
    expect(harness.broker.openSockets).toHaveLength(2)
  })

  test('shards of one loop share one', async () => {
    const subscription = harness.subscribe({ shards: ['0', '1'], creditBytes: 1000 })
    await harness.progress(subscription.ready())
    expect(harness.broker.openSockets.map((it) => it.subscriptions.size)).toEqual([2])
    expect(harness.broker.shardRequests.map((it) => it.creditBytes)).toEqual([500, 500])
    await subscription.close()
  })

  test('those that others hold up have credit of their own', async () => {
    const creditBytes = 600_000
    const first = harness.subscribe({ shards: ['0'], creditBytes })
    const second = harness.subscribe({ shards: ['1'], creditBytes })
    await harness.progress(Promise.all([first.ready(), second.ready()]))
    expect(harness.broker.openSockets).toHaveLength(2)
  })
})

describe('failures', () => {
  test.each<ErrorCode>([
    'LIMIT_EXCEEDED',
    'STREAM_IN_USE',
    'LOG_FAILED',
    'INTERNAL',
    'CONSUMER_IN_USE',
  ])('%s of the request is lived with', async (code) => {
    let count = 0
    harness.broker.refuse = () => {
      count += 1
      return count < 4 ? new MillraceError(code, 'not now', { retryAfterMs: 300 }) : undefined
    }
    harness.broker.put(0, 'a')
    expect(await harness.take(harness.subscribe({ from: 'oldest', consumer: 'c' }), 1)).toEqual([
      'a',
    ])
    expect(count).toBe(4)
    expect(harness.clock.millis).toBeGreaterThanOrEqual(900)
  })

  test.each<ErrorCode>(['STREAM_NOT_FOUND', 'CONSUMER_NOT_FOUND', 'ACCESS_DENIED'])(
    '%s of the request ends it',
    async (code) => {
      harness.broker.refuse = () => new MillraceError(code)
      const subscription = harness.subscribe({ consumer: 'c' })
      await expect(harness.progress(subscription.next())).rejects.toMatchObject({ code })
      expect(await subscription.next()).toEqual({ done: true, value: undefined })
    },
  )

  test.each<ErrorCode>(['STREAM_NOT_FOUND', 'CONSUMER_NOT_FOUND', 'CONSUMER_IN_USE'])(
    '%s ends it later on, after what came before',
    async (code) => {
      harness.broker.put(0, 'a')
      const subscription = harness.subscribe({ from: 'oldest', consumer: 'c' })
      await harness.progress(subscription.ready())
      harness.broker.end(new MillraceError(code, 'over'))
      await settle()
      expect(await harness.take(subscription, 1)).toEqual(['a'])
      await expect(harness.progress(subscription.next())).rejects.toMatchObject({
        code,
        message: 'over',
      })
    },
  )

  test('INTERNAL later on is lived with, for a minute', async () => {
    const subscription = harness.subscribe()
    await harness.progress(subscription.ready())
    harness.broker.end(new MillraceError('INTERNAL'))
    await harness.progress(settle())
    harness.broker.put(0, 'a')
    expect(await harness.take(subscription, 1)).toEqual(['a'])
    harness.broker.refuse = () => new MillraceError('INTERNAL')
    harness.broker.end(new MillraceError('INTERNAL'))
    harness.clock.luck = 0.5
    const { millis } = harness.clock
    await expect(harness.progress(subscription.next())).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(harness.clock.millis - millis).toBeGreaterThan(60_000)
  })

  test('a slice that cannot be read ends the client', async () => {
    const subscription = harness.subscribe()
    await harness.progress(subscription.ready())
    const [shard] = harness.broker.stream.shards
    shard?.put(['a'])
    const bytes = shard?.batches[0]?.bytes
    if (bytes !== undefined) bytes[15] = 0
    harness.broker.wake()
    await expect(harness.progress(subscription.next())).rejects.toMatchObject({
      code: 'PROTOCOL_VIOLATION',
    })
    expect(harness.client.state).toBe('closed')
  })
})

describe('the end', () => {
  test('comes with a break, which unsubscribes', async () => {
    harness.broker.put(0, 'a')
    const subscription = harness.subscribe({ from: 'oldest' })
    for await (const _ of subscription) break
    await settle()
    expect(subscription.state).toBe('closed')
    expect(harness.broker.calls.at(-1)).toBe('Unsubscribe')
    expect(harness.broker.subscriptions).toEqual([])
    expect(await subscription.next()).toEqual({ done: true, value: undefined })
  })

  test('comes with a close before the answer, which is then given up', async () => {
    harness.broker.isHeld = true
    const subscription = harness.subscribe()
    await settle()
    await subscription.close()
    await expect(subscription.ready()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    harness.broker.isHeld = false
    harness.broker.wake()
    await settle()
    expect(harness.broker.calls).toEqual(['SubscribeToStream', 'Unsubscribe'])
  })

  test('comes with the signal, whose reason the iteration has', async () => {
    const abort = new AbortController()
    const subscription = harness.subscribe({ signal: abort.signal })
    const next = subscription.next()
    await settle()
    abort.abort('enough')
    await expect(next).rejects.toBe('enough')
    await settle()
    expect(harness.broker.subscriptions).toEqual([])
    await expect(harness.subscribe({ signal: AbortSignal.abort('early') }).next()).rejects.toBe(
      'early',
    )
  })

  test('comes with the client', async () => {
    const subscriptions = [harness.subscribe(), harness.subscribe()]
    await harness.progress(Promise.all(subscriptions.map((it) => it.ready())))
    await harness.client.close()
    for (const it of subscriptions) {
      await expect(it.next()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    }
    expect(harness.broker.openSockets).toEqual([])
  })

  test.each([{}, { shards: ['0', '1'] }])('comes when all has been read: %o', async (options) => {
    harness.broker.put(0, 'a')
    harness.broker.put(1, 'b')
    harness.broker.reshard([0, 1], 0)
    const subscription = harness.subscribe({ from: 'oldest', ...options })
    await settle()
    expect((await harness.take(subscription, 2)).sort()).toEqual(['a', 'b'])
    expect(await harness.progress(subscription.next())).toEqual({ done: true, value: undefined })
  })
})

test('numbers without records are not asked for where a broker said so at its end', async () => {
  const subscription = harness.subscribe({ from: 'oldest' })
  await harness.progress(subscription.ready())
  const [first, second] = harness.broker.stream.shards
  first?.skip(5)
  harness.broker.wake()
  await settle()
  harness.broker.heartbeat()
  await settle()
  harness.broker.cut(1012, 'SERVER_CLOSING retryAfterMs=100')
  await harness.clock.advance(1000)
  expect(harness.broker.streamRequests.at(-1)?.resume).toEqual([
    { shardNumber: first?.number, nextSequenceNumber: 6n },
    { shardNumber: second?.number, nextSequenceNumber: 1n },
  ])
  await subscription.close()
})
