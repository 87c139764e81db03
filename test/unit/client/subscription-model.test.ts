import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Client, connectOver } from '../../../src/client/client.ts'
import type { RecordBatch } from '../../../src/client/record-batch.ts'
import type { StreamSubscription } from '../../../src/client/stream-subscription.ts'
import { type ErrorCode, MillraceError } from '../../../src/errors.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { PushBroker } from '../../support/push-broker.ts'
import { type PushedShard, PushStream } from '../../support/push-stream.ts'
import { textsOf } from './push-harness.ts'

const failures: readonly ErrorCode[] = ['LIMIT_EXCEEDED', 'STREAM_IN_USE', 'INTERNAL', 'LOG_FAILED']
/** Larger than any batch that is put. */
const creditBytes = 1500

/** A stream, a subscription of it, and what has been delivered. */
class Run {
  readonly clock = new FakeClock()
  readonly broker = new PushBroker(new PushStream(2))
  readonly delivered = new Map<string, string[]>()
  readonly #shards: readonly string[] | undefined
  #client: Client | undefined
  #subscription: StreamSubscription | undefined
  #token = 'oldest'
  #next: Promise<IteratorResult<RecordBatch, undefined>> | undefined

  constructor(ofShards: boolean) {
    this.#shards = ofShards ? ['0', '1'] : undefined
  }

  async open(): Promise<void> {
    const connecting = connectOver(this.broker.open, 'ws://broker.invalid', {}, this.clock)
    this.broker.isHeld = false
    this.broker.wake()
    this.#client = await connecting
    this.#subscribe()
  }

  /** Takes a batch; false when nothing comes for a while, or never again. */
  async take(millis = 15_000): Promise<boolean> {
    const result = await this.#wait(millis)
    if (result?.value === undefined) return false
    const { shardId, resumeToken, gap } = result.value
    expect(gap).toBeUndefined()
    this.#checkParents(shardId)
    this.delivered.set(shardId, [...(this.delivered.get(shardId) ?? []), ...textsOf(result.value)])
    this.#token = resumeToken
    return true
  }

  /** Another subscription goes on where the last batch ended. */
  async resume(): Promise<void> {
    await this.#subscription?.close()
    this.#next = undefined
    this.#subscribe()
    await settle()
  }

  async close(): Promise<void> {
    await this.#subscription?.close()
    await this.#client?.close()
    await settle()
  }

  #subscribe(): void {
    const options = { from: this.#token, creditBytes, shards: this.#shards }
    this.#subscription = this.#client?.subscribe('s', options)
  }

  async #wait(millis: number): Promise<IteratorResult<RecordBatch, undefined> | undefined> {
    // What was asked for and has not come yet is still waited for.
    this.#next ??= this.#subscription?.next()
    let result: IteratorResult<RecordBatch, undefined> | undefined
    let error: unknown
    this.#next?.then(
      (it) => {
        result = it
      },
      (reason) => {
        error = reason
      },
    )
    await settle()
    for (let waited = 0; waited < millis && result === undefined; waited += 250) {
      if (error !== undefined) throw error
      await this.clock.advance(250)
    }
    if (result !== undefined) this.#next = undefined
    return result
  }

  /** Before a child's records come all of its parents'. */
  #checkParents(shardId: string): void {
    for (const parent of this.broker.shardOf(shardId)?.parents ?? []) {
      const { shardId: id, texts } = this.broker.stream.shards[parent] as PushedShard
      expect(this.delivered.get(id) ?? [], `${id}, before ${shardId}`).toEqual(texts)
    }
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.nat(9), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 5, arbitrary: fc.record({ take: fc.constantFrom(0, 1000) }) },
  { weight: 2, arbitrary: fc.constant({ resume: true }) },
  { weight: 2, arbitrary: fc.record({ cut: fc.constantFrom(1006, 1012, 4408) }) },
  { weight: 1, arbitrary: fc.record({ hold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ deliver: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ split: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ merge: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.constant({ heartbeat: true }) },
  { weight: 1, arbitrary: fc.record({ end: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ failures: fc.nat(3), code: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ wait: fc.constantFrom(50, 500, 31_000) }) },
)
type Step = (typeof step extends fc.Arbitrary<infer It> ? It : never) & object

let texts = 0

async function carryOut(run: Run, it: Step): Promise<void> {
  const { broker } = run
  const { open } = broker.stream
  const pick = (at: number) => open[at % open.length]?.index ?? 0
  if ('put' in it) broker.put(pick(it.put), ...Array.from({ length: it.count }, () => `${texts++}`))
  else if ('take' in it) await run.take(it.take)
  else if ('resume' in it) await run.resume()
  else if ('cut' in it) broker.cut(it.cut)
  else if ('hold' in it) {
    broker.isHeld = it.hold
    broker.wake()
  } else if ('deliver' in it) broker.deliver(it.deliver)
  else if ('split' in it) broker.reshard([pick(it.split)], 2)
  else if ('merge' in it && open.length > 1) {
    const at = it.merge % (open.length - 1)
    broker.reshard([pick(at), pick(at + 1)], 1)
  } else if ('heartbeat' in it) broker.heartbeat()
  else if ('end' in it) broker.end(new MillraceError(failures[it.end] ?? 'INTERNAL'))
  else if ('failures' in it) {
    let left = it.failures
    broker.refuse = (name) => {
      if (name === 'Unsubscribe') return undefined
      left -= 1
      return left >= 0 ? new MillraceError(failures[it.code] ?? 'INTERNAL') : undefined
    }
  } else if ('wait' in it) await run.clock.advance(it.wait)
  for (const { outPeak } of broker.subscriptions) expect(outPeak).toBeLessThanOrEqual(creditBytes)
}

test.each([false, true])(
  'whatever happens to broker and connections: each record once, in order; shards %s',
  async (ofShards) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const run = new Run(ofShards)
        await run.open()
        for (const it of steps) await carryOut(run, it as Step)
        const { broker } = run
        broker.isHeld = false
        broker.wake()
        // The last two batches are of different lifetimes of the subscription.
        for (let i = 0; i < 2; i += 1) {
          while (await run.take());
          for (const it of broker.stream.open) broker.put(it.index, `${texts++}`)
        }
        while (await run.take());
        const delivered = broker.stream.shards.map((it) => run.delivered.get(it.shardId) ?? [])
        await run.close()
        expect(delivered).toEqual(broker.stream.shards.map((it) => it.texts))
        expect([...run.clock.timers]).toEqual([])
      }),
      { numRuns: 100 },
    )
  },
  120_000,
)
