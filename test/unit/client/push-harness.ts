import { afterEach, beforeEach, expect } from 'vitest'
import { type Client, connectOver } from '../../../src/client/client.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import type { StreamSubscription } from '../../../src/client/stream-subscription.ts'
import type { SubscribeOptions } from '../../../src/client/subscribe-options.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { PushBroker } from '../../support/push-broker.ts'
import { PushStream } from '../../support/push-stream.ts'

/** A client of a broker that pushes, on a clock that stands still. */
export class PushHarness {
  clock: FakeClock = new FakeClock()
  broker: PushBroker = new PushBroker(new PushStream(0))
  #client: Client | undefined

  get client(): Client {
    if (this.#client === undefined) throw new Error('not started')
    return this.#client
  }

  /** Another broker, and a client of it. */
  async start(shardCount: number): Promise<void> {
    await this.#client?.close()
    this.broker = new PushBroker(new PushStream(shardCount))
    this.#client = await connectOver(this.broker.open, 'ws://broker.invalid', {}, this.clock)
  }

  subscribe(options: SubscribeOptions = {}): StreamSubscription {
    return this.client.subscribe('s', options)
  }

  /** Waits for an answer, for which the clock goes on. */
  async progress<Answer>(answer: Promise<Answer>): Promise<Answer> {
    let isThere = false
    const done = () => {
      isThere = true
    }
    answer.then(done, done)
    for (let i = 0; i < 1000; i += 1) {
      await settle()
      if (isThere) return await answer
      await this.clock.advance(100)
    }
    throw new Error('nothing came')
  }

  async nextBatch(subscription: StreamSubscription): Promise<RecordBatch> {
    const result = await this.progress(subscription.next())
    if (result.done === true) throw new Error('the stream has ended')
    return result.value
  }

  /** The texts of so many records, as they come. */
  async take(subscription: StreamSubscription, count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push(...textsOf(await this.nextBatch(subscription)))
    return texts
  }
}

/** One for each test, with two shards; nothing may be left of it. */
export function usePushHarness(): PushHarness {
  const harness = new PushHarness()
  beforeEach(async () => {
    harness.clock = new FakeClock()
    await harness.start(2)
  })
  afterEach(async () => {
    await harness.client.close()
    await settle()
    expect([...harness.clock.timers], 'timers that are left').toEqual([])
  })
  return harness
}

export function textsOf(batch: RecordBatch): string[] {
  return Array.from(batch, (it) => new TextDecoder().decode(it.data))
}

export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i))
}
