import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CheckpointWriter } from '../../../src/client/checkpoint-writer.ts'
import { consumeSettings } from '../../../src/client/consumer-options.ts'
import { HeldShard } from '../../../src/client/held-shard.ts'
import { LeaseLoop, type NewLease } from '../../../src/client/lease-loop.ts'
import { LeaseLostError } from '../../../src/client/lease-lost-error.ts'
import type { ShardLease } from '../../../src/client/pushed-batches.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import type { Verbs } from '../../../src/wire/verbs.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'

/** Verbs that note how they were called, and answer what a test wants. */
class FakeVerbs {
  readonly calls: string[] = []
  readonly #answers: Record<string, unknown> = {}

  answer(name: string, answer: unknown): this {
    this.#answers[name] = answer
    return this
  }

  get verbs(): Verbs {
    const take = (name: string, ...rest: unknown[]) => this.#take(name, rest)
    return new Proxy({} as Verbs, {
      get: (_, name: string) => (_stream: string, _consumer: string, request: unknown) =>
        take(name, request),
    })
  }

  async #take(name: string, [request]: unknown[]): Promise<unknown> {
    const { shardId } = (request ?? {}) as { shardId?: string }
    this.calls.push(shardId === undefined ? name : `${name} ${shardId}`)
    const answer = this.#answers[name]
    const result: unknown = typeof answer === 'function' ? await answer(request) : answer
    if (result instanceof Error) throw result
    return result
  }
}

let clock: FakeClock
let fake: FakeVerbs
let stop: AbortController

beforeEach(() => {
  clock = new FakeClock()
  stop = new AbortController()
  fake = new FakeVerbs()
    .answer('listLeases', [])
    .answer('renewLeases', [])
    .answer('acquireLeases', { acquired: [], workerCount: 1 })
})

afterEach(() => {
  expect([...clock.timers]).toEqual([])
})

/** Of leases of those who set 3000 ms. */
const heldMillis = 2250

const lease = (shardId: string, leaseCounter = 1n) => ({ shardId, leaseCounter })

describe('leases', () => {
  let held: ShardLease[]
  let acquired: NewLease[]
  let onAcquired: () => void
  let lost: ShardLease[]
  let loop: LeaseLoop

  beforeEach(() => {
    held = []
    acquired = []
    onAcquired = () => undefined
    lost = []
    const options = { consumer: 'c', workerId: 'me', leaseMillis: 3000 }
    loop = new LeaseLoop({
      verbs: fake.verbs,
      clock,
      streamName: 's',
      settings: consumeSettings(options, () => 'random'),
      signal: stop.signal,
      lastSignal: new AbortController().signal,
      held: () => held,
      acquired: (it) => {
        acquired.push(it)
        onAcquired()
      },
      lost: (it) => lost.push(it),
      settled: () => undefined,
    })
  })

  /** Runs the loop as long as `work` does. */
  async function during(work: () => Promise<void>): Promise<void> {
    const running = loop.run().catch((error: unknown) => error)
    await settle()
    await work()
    stop.abort('over')
    loop.wake()
    await running
  }

  test('are renewed three times in the life of one; those that are lost are told of', async () => {
    held = [lease('0'), lease('1')]
    fake.answer('renewLeases', [lease('1')])
    await during(async () => {
      expect(lost).toEqual([lease('1')])
      await clock.advance(heldMillis - 1)
      expect(fake.calls.filter((it) => it === 'renewLeases')).toHaveLength(3)
    })
  })

  test('are asked for three quarters of the time that was set', async () => {
    const asked: unknown[] = []
    fake.answer('acquireLeases', (request: unknown) => {
      asked.push(request)
      return { acquired: [], workerCount: 1 }
    })
    await during(async () => {
      expect(asked).toEqual([{ workerId: 'me', leaseMillis: 2250, leasesMax: undefined }])
    })
  })

  test('are asked for until there are no more, and when there may be new ones', async () => {
    const answers = [[lease('0')], [lease('1')], [], [lease('2')], []]
    fake.answer('acquireLeases', () => ({ acquired: answers.shift() ?? [], workerCount: 1 }))
    await during(async () => {
      expect(acquired.map((it) => it.shardId)).toEqual(['0', '1'])
      loop.wake()
      await settle()
      expect(acquired.map((it) => it.shardId)).toEqual(['0', '1', '2'])
      expect(clock.millis).toBe(0)
    })
  })

  test('a wish in the middle of a round is not forgotten', async () => {
    let rounds = 0
    fake.answer('acquireLeases', () => {
      rounds += 1
      if (rounds === 1) loop.wake()
      return { acquired: [], workerCount: 1 }
    })
    await during(async () => {
      expect([rounds, clock.millis]).toEqual([2, 0])
    })
  })

  test('of an earlier life are taken over; one of a shard that is done is given back', async () => {
    const state = { expiresInMillis: 10 }
    fake.answer('listLeases', [
      { ...lease('0', 7n), ...state, workerId: 'me' },
      { ...lease('1', 8n), ...state, workerId: 'me' },
      { ...lease('2', 9n), ...state, workerId: 'me' },
      { ...lease('3', 10n), ...state, workerId: 'other' },
    ])
    fake.answer('getCheckpoints', [
      { shardId: '0', shardNumber: 1n, nextSequenceNumber: 5n },
      { shardId: '1', shardNumber: 2n },
    ])
    await during(async () => {
      expect(acquired).toEqual([
        { ...lease('0', 7n), nextSequenceNumber: 5n },
        { ...lease('2', 9n), nextSequenceNumber: undefined },
      ])
      expect(fake.calls).toContain('releaseLease 1')
    })
  })

  test('of a shard that is done may have been given back meanwhile', async () => {
    fake.answer('listLeases', [{ ...lease('1', 8n), expiresInMillis: 10, workerId: 'me' }])
    fake.answer('getCheckpoints', [{ shardId: '1', shardNumber: 2n }])
    fake.answer('releaseLease', new MillraceError('LEASE_LOST'))
    await during(async () => {
      expect(fake.calls.at(-1)).toBe('acquireLeases')
      expect(acquired).toEqual([])
    })
  })

  test('are asked for when the broker says that they may be had, and no later', async () => {
    fake.answer('acquireLeases', { acquired: [], workerCount: 2, askAgainMillis: 400 })
    await during(async () => {
      const times = () => fake.calls.filter((it) => it === 'acquireLeases').length
      await clock.advance(399)
      expect(times()).toBe(1)
      fake.answer('acquireLeases', { acquired: [], workerCount: 2, askAgainMillis: 9000 })
      await clock.advance(1)
      expect(times()).toBe(2)
      await clock.advance(heldMillis / 3 - 1)
      expect(times()).toBe(2)
      await clock.advance(1)
      expect(times()).toBe(3)
    })
  })

  test('that come behind the end are on the list that is asked for then', async () => {
    let answer: (value: unknown) => void = () => undefined
    const asked = new Promise((resolve) => {
      answer = resolve
    })
    fake.answer('acquireLeases', () => asked)
    await during(async () => undefined)
    expect(loop.mayHaveMore).toBe(true)
    const unknown = loop.unknown([], new AbortController().signal)
    await settle()
    expect(fake.calls.at(-1)).toBe('acquireLeases')
    fake.answer('listLeases', [{ ...lease('0'), workerId: 'me', expiresInMillis: 10 }])
    answer({ acquired: [lease('0')], workerCount: 1 })
    expect(await unknown).toMatchObject([lease('0')])
    expect(acquired).toEqual([])
  })

  test('of one answer are taken up to the end, also where that comes between them', async () => {
    fake.answer('acquireLeases', { acquired: [lease('0'), lease('1')], workerCount: 1 })
    onAcquired = () => stop.abort('over')
    await during(async () => undefined)
    expect(acquired).toEqual([lease('0')])
    expect(loop.mayHaveMore).toBe(true)
  })

  test('of an earlier life are taken over up to the end', async () => {
    const state = { expiresInMillis: 10, workerId: 'me' }
    fake.answer('listLeases', [
      { ...lease('0', 7n), ...state },
      { ...lease('1', 8n), ...state },
    ])
    fake.answer('getCheckpoints', [])
    onAcquired = () => stop.abort('over')
    await during(async () => undefined)
    expect(acquired.map((it) => it.shardId)).toEqual(['0'])
  })

  test('whose answer was lost are asked after before others are asked for', async () => {
    let count = 0
    fake.answer('acquireLeases', () => {
      count += 1
      return count === 1 ? new MillraceError('CONNECTION_LOST') : { acquired: [], workerCount: 1 }
    })
    await during(async () => {
      await clock.advance(100)
      const seen = fake.calls.filter((it) => it !== 'renewLeases')
      expect(seen).toEqual(['listLeases', 'acquireLeases', 'listLeases', 'acquireLeases'])
    })
  })

  test('a consumer that another worker registers at the same time is used', async () => {
    let isThere = false
    fake.answer('describeStreamConsumer', () =>
      isThere ? { consumerCreationTimestamp: 42 } : new MillraceError('CONSUMER_NOT_FOUND'),
    )
    fake.answer('registerStreamConsumer', () => {
      isThere = true
      return new MillraceError('CONSUMER_EXISTS')
    })
    expect(await loop.register()).toEqual({ type: 'AT_TIMESTAMP', timestamp: 42 })
  })
})

describe('checkpoints', () => {
  let writer: CheckpointWriter
  let lost: ShardLease[]
  let held: HeldShard

  beforeEach(() => {
    lost = []
    held = new HeldShard(lease('0'), undefined)
    held.begin(1n)
    writer = new CheckpointWriter({
      verbs: fake.verbs,
      clock,
      streamName: 's',
      consumerName: 'c',
      workerId: 'me',
      lost: (it) => {
        held.isLost = true
        lost.push(it)
      },
    })
  })

  test('of a shard are written one at a time, and the newest is', async () => {
    const written: bigint[] = []
    let isWriting = false
    fake.answer('setCheckpoint', async ({ nextSequenceNumber }: { nextSequenceNumber: bigint }) => {
      expect(isWriting).toBe(false)
      isWriting = true
      await settle()
      isWriting = false
      written.push(nextSequenceNumber)
    })
    const all = [writer.store(held, stop.signal)]
    for (const next of [2n, 3n, 4n]) {
      held.deliver(next)
      held.workOff(next)
      all.push(writer.store(held, stop.signal))
    }
    await Promise.all(all)
    expect(written).toEqual([1n, 4n])
  })

  test('that come too late say that the lease is lost', async () => {
    fake.answer('setCheckpoint', new MillraceError('LEASE_LOST'))
    await expect(writer.store(held, stop.signal)).rejects.toThrow(LeaseLostError)
    expect(lost).toEqual([held])
  })

  test.each<ErrorCode>(['CHECKPOINT_REGRESSED', 'CONSUMER_NOT_FOUND'])(
    'fail with %s',
    async (code) => {
      fake.answer('setCheckpoint', new MillraceError(code))
      await expect(writer.store(held, stop.signal)).rejects.toMatchObject({ code })
      expect(lost).toEqual([])
    },
  )

  test('are tried again, and a lease that was given back already is no failure', async () => {
    let count = 0
    fake.answer('setCheckpoint', () => {
      count += 1
      return count < 3 ? new MillraceError('CONNECTION_LOST') : undefined
    })
    const storing = writer.store(held, stop.signal)
    await clock.advance(1000)
    await storing
    expect(count).toBe(3)
    fake.answer('releaseLease', new MillraceError('LEASE_LOST'))
    await writer.release(held, stop.signal)
    fake.answer('releaseLease', new MillraceError('STREAM_NOT_FOUND'))
    await expect(writer.release(held, stop.signal)).rejects.toMatchObject({
      code: 'STREAM_NOT_FOUND',
    })
  })
})
