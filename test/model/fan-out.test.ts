/**
 * Whatever happens to a stream and to those who follow it: each of them gets every record once and
 * in order, parents before children, within its credit, and is told of what is missing.
 */

import { expect, it } from 'vitest'
import type { SequenceNumber } from '../../src/log/log.ts'
import type { Stream } from '../../src/stream/stream.ts'
import { Random } from '../support/random.ts'
import { makeFanOut, type TestFanOut, turns, until } from '../unit/broker/fan-out/harness.ts'
import { FanOutModel, type ModelShard } from './fan-out-model.ts'
import { ModelSubscriber } from './fan-out-subscriber.ts'

const stepsWanted = Number(process.env['MILLRACE_FAN_OUT_STEPS'] ?? 3000)
const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const subscriberCount = 8
const shardsMax = 60
const millisPerStep = 40

class FanOutRun {
  readonly made: TestFanOut
  readonly model = new FanOutModel()
  readonly random: Random
  readonly subscribers: ModelSubscriber[]
  #keys = 0

  constructor(made: TestFanOut, random: Random) {
    this.made = made
    this.random = random
    for (const index of [0, 1]) this.model.add(made.shard(index), [])
    made.changing = (stream) => this.#learn(stream)
    this.subscribers = Array.from(
      { length: subscriberCount },
      () => new ModelSubscriber(made, this.model, random),
    )
  }

  async step(): Promise<void> {
    const { random } = this
    const subscriber = random.pick(this.subscribers)
    const choice = random.below(100)
    if (choice < 45) await this.#put()
    else if (choice < 70) subscriber.giveBackSome()
    else if (choice < 76) subscriber.drain()
    else if (choice < 80) subscriber.stall()
    else if (choice < 88) await this.#come(subscriber)
    else if (choice < 90) await this.#leave(subscriber)
    else if (choice < 92) subscriber.disconnect()
    else if (choice < 93) await this.#trim()
    else if (choice < 96) await this.#split()
    else if (choice < 98) await this.#merge()
    else await turns(random.below(5))
    if (random.chance(3)) await turns(1)
    this.#check()
  }

  #check(): void {
    for (const { failure } of this.subscribers) if (failure !== undefined) throw failure
  }

  /** Everybody comes and takes what there is. */
  async finish(): Promise<void> {
    for (const it of this.subscribers) {
      await this.#come(it)
      it.drain()
    }
    await until(() => {
      this.#check()
      // A stream that is PROVISIONED is sent so much in a time.
      this.made.clock.millis += millisPerStep
      for (const it of this.subscribers) it.giveBack(Number.MAX_SAFE_INTEGER)
      return this.subscribers.every((it) => it.hasAll())
    })
    for (const it of this.subscribers) it.disconnect()
  }

  async #come(subscriber: ModelSubscriber): Promise<void> {
    if (!subscriber.isSubscribed) await subscriber.subscribe()
  }

  async #leave(subscriber: ModelSubscriber): Promise<void> {
    if (subscriber.isSubscribed) await subscriber.unsubscribe()
  }

  async #put(): Promise<void> {
    const { random, model, made } = this
    const shard = random.pick(model.open)
    const keys = Array.from({ length: 1 + random.below(5) }, () => {
      this.#keys += 1
      return `k${this.#keys}`
    })
    // Before the call: it is pushed before the call returns.
    shard.add(keys)
    await made.put(shard.index, keys, random.pick([1, 50, 400, 3000, 30_000]))
  }

  async #trim(): Promise<void> {
    const shard = this.random.pick([...this.model.shards.values()])
    const number = shard.horizon + BigInt(this.random.below(Number(shard.next - shard.horizon) + 1))
    shard.trim(number)
    await this.made.log.trim(shard.number as never, number as SequenceNumber)
  }

  async #split(): Promise<void> {
    if (this.model.shards.size >= shardsMax) return
    await this.#reshard([this.random.pick(this.model.open)])
  }

  async #merge(): Promise<void> {
    const { open } = this.model
    if (open.length < 2 || this.model.shards.size >= shardsMax) return
    const sorted = open.sort((a, b) =>
      this.made.shard(a.index).startingHashKey < this.made.shard(b.index).startingHashKey ? -1 : 1,
    )
    const at = this.random.below(sorted.length - 1)
    await this.#reshard(sorted.slice(at, at + 2))
  }

  async #reshard(parents: readonly ModelShard[]): Promise<void> {
    const [lower, upper] = parents.map((it) => it.index) as [number, number | undefined]
    for (const it of parents) it.isClosed = true
    if (upper === undefined) await this.made.split(lower)
    else await this.made.merge(lower, upper)
  }

  /** Before subscribers hear of shards the model has them. */
  #learn({ shards }: Stream): void {
    for (const shard of shards.values()) {
      if (this.model.shards.has(shard.number)) continue
      const parents = shard.parents.flatMap((it) => shards.get(it)?.number ?? [])
      this.model.add(
        shard,
        parents.map((it) => this.model.shard(it)),
      )
    }
  }
}

it(
  `subscribers get every record once and in order (seed ${seed})`,
  async () => {
    const made = await makeFanOut(2)
    const run = new FanOutRun(made, new Random(seed))
    try {
      for (let i = 0; i < stepsWanted; i += 1) await run.step()
      await run.finish()
    } catch (error) {
      throw new Error(`MILLRACE_SEED=${seed}`, { cause: error })
    }
    const received = run.subscribers.map((it) => it.received)
    expect(Math.min(...received)).toBeGreaterThan(0)
    process.stdout.write(
      `fan-out: ${stepsWanted} steps, ${run.model.shards.size} shards, ` +
        `${received.reduce((a, b) => a + b)} records received, ` +
        `${run.subscribers.reduce((sum, it) => sum + it.missing, 0)} told missing, seed ${seed}\n`,
    )
  },
  60_000 + stepsWanted * millisPerStep,
)
