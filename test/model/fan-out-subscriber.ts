/** A client of subscriptions as PROTOCOL.md has it, which trusts nothing that it is sent. */

import type { Subscriptions } from '../../src/broker/fan-out/subscriptions.ts'
import { connectionCreditBytesMax } from '../../src/limits.ts'
import type { SubscribedShard } from '../../src/wire/structures.ts'
import type { Random } from '../support/random.ts'
import {
  FakeSink,
  leave,
  type TestFanOut,
  type Told,
  toStream,
} from '../unit/broker/fan-out/harness.ts'
import type { FanOutModel, ModelShard } from './fan-out-model.ts'

/** What is known of a shard: the record that is wanted next, or that there are no more. */
type Place = bigint | 'ended'

export class ModelSubscriber {
  readonly #made: TestFanOut
  readonly #model: FanOutModel
  readonly #random: Random
  readonly places = new Map<bigint, Place>()
  readonly creditBytes: number
  #sink = new FakeSink()
  #subscriptions: Subscriptions | undefined
  #id = 0
  /** Bytes that have not been given back. */
  #out = 0
  /** Records that came, in all, and those that were told to be missing. */
  received = 0
  missing = 0
  /** What was wrong first: a sink must not throw. */
  failure: unknown

  constructor(made: TestFanOut, model: FanOutModel, random: Random) {
    this.#made = made
    this.#model = model
    this.#random = random
    this.creditBytes = random.pick([1, 500, 3000, 20_000, 256 * 1024])
  }

  get isSubscribed(): boolean {
    return this.#id !== 0
  }

  /** Begins, or goes on where it was, on a connection of its own. */
  async subscribe(): Promise<void> {
    const { sink, subscriptions } = this.#made.open()
    this.#sink = sink
    this.#subscriptions = subscriptions
    this.#out = 0
    sink.onPush = () => this.#take(sink)
    const resume = Array.from(this.places, ([shardNumber, place]) => ({
      shardNumber,
      ...(place === 'ended' ? {} : { nextSequenceNumber: place }),
    }))
    const { creditBytes } = this
    const startingPositionType = this.#random.pick(['LATEST', 'TRIM_HORIZON'] as const)
    const request = { creditBytes, resume, startingPositionType }
    const answer = await toStream(subscriptions, request)
    this.#id = answer.subscriptionId
    for (const shard of answer.shards) {
      if (resume.length > 0) this.#follow(shard)
      else this.places.set(shard.shardNumber, shard.firstSequenceNumber)
    }
  }

  async unsubscribe(): Promise<void> {
    const { count } = this.#sink
    if (this.#subscriptions !== undefined) await leave(this.#subscriptions, this.#id)
    this.#id = 0
    this.#expect(this.#sink.count === count, 'nothing comes while it leaves')
  }

  /** The connection ends. */
  disconnect(): void {
    this.#subscriptions?.close()
    this.#id = 0
  }

  giveBack(bytes: number): void {
    const back = Math.min(bytes, this.#out)
    if (back === 0) return
    this.#out -= back
    this.#subscriptions?.credit(this.#id, back)
  }

  giveBackSome(): void {
    this.giveBack(this.#random.chance(2) ? this.#out : this.#random.below(this.#out + 1))
  }

  stall(): void {
    this.#sink.isReading = false
  }

  drain(): void {
    this.#sink.isReading = true
    this.#sink.waiting = 0
    this.#subscriptions?.drained()
  }

  /** Whether it has everything there is of the shards that it follows. */
  hasAll(): boolean {
    const { shards } = this.#model
    return [...shards.values()].every((shard) => {
      const place = this.places.get(shard.number)
      if (place === undefined) return this.#isBefore(shard)
      return shard.isClosed ? place === 'ended' : place === shard.next
    })
  }

  /** Whether reading began with shards that come after this one. */
  #isBefore({ children }: ModelShard): boolean {
    return children.some((it) => this.places.has(it) || this.#isBefore(this.#model.shard(it)))
  }

  /** A shard that goes on, or comes after others, which is wanted as a whole. */
  #follow({ shardNumber, firstSequenceNumber: first }: SubscribedShard): void {
    const place = this.places.get(shardNumber) ?? this.#model.shard(shardNumber).first
    this.#expect(place !== 'ended', 'no shard is begun twice')
    // What is missing in between comes as a Gap.
    if (place !== 'ended') this.#expect(first >= place, 'it goes on where it was')
    this.places.set(shardNumber, place)
  }

  #take(sink: FakeSink): void {
    try {
      this.#expect(sink === this.#sink && this.isSubscribed, 'it is subscribed where this came')
      for (const it of sink.told.splice(0)) this.#tell(it)
    } catch (error) {
      this.failure ??= error
    }
  }

  #tell(it: Told): void {
    if (it.kind !== 'slice') this.#expect(it.subscriptionId === this.#id, 'it is ours')
    if (it.kind === 'slice') this.#takeSlice(it)
    else if (it.kind === 'Gap') this.#takeGap(it)
    else if (it.kind === 'ShardStarted') this.#takeStart(it)
    else if (it.kind === 'ShardEnded') this.#takeEnd(it)
    else if (it.kind === 'Heartbeat') this.#takeHeartbeat(it)
    else this.#expect(false, `${it.kind} ${String(it['code'])} ${String(it['message'])}`)
  }

  #takeSlice({ shardNumber = 0n, bytes = 0, numbers = [], texts = [] }: Told): void {
    const shard = this.#model.shard(shardNumber)
    const isAlone = this.#out === 0 && new Set(numbers.map((it) => shard.batchOf(it))).size <= 1
    this.#out += bytes
    this.#expect(this.#out <= this.creditBytes || isAlone, 'it stays within its credit')
    this.#expect(this.#out <= connectionCreditBytesMax || isAlone, 'so does the connection')
    let wanted = this.#wanted(shardNumber)
    numbers.forEach((number, at) => {
      this.#expect(texts[at] === shard.keyOf(number), `record ${number} is what was put`)
      if (number < wanted) return
      this.#expect(number === wanted, `record ${number} comes next, not ${wanted}`)
      wanted += 1n
      this.received += 1
    })
    this.places.set(shardNumber, wanted)
  }

  #takeGap(it: Told): void {
    const { shardNumber = 0n } = it
    const end = it['endSequenceNumber'] as bigint
    this.#expect(it['reason'] === 'TRIMMED', 'nothing else goes missing')
    this.#expect(it['startSequenceNumber'] === this.#wanted(shardNumber), 'the gap begins here')
    this.#expect(end > this.#wanted(shardNumber), 'it is no empty one')
    this.#expect(end <= this.#model.shard(shardNumber).horizon, 'all of it was trimmed')
    this.missing += Number(end - this.#wanted(shardNumber))
    this.places.set(shardNumber, end)
  }

  #takeStart(it: Told): void {
    const shard = it['shard'] as SubscribedShard
    this.#expect(!this.places.has(shard.shardNumber), 'it was not known before')
    for (const parent of this.#model.shard(shard.shardNumber).parents) {
      this.#expect(this.places.get(parent) === 'ended', 'its parents have ended')
    }
    this.#follow(shard)
  }

  #takeEnd({ shardNumber = 0n, ...it }: Told): void {
    const shard = this.#model.shard(shardNumber)
    this.#expect(shard.isClosed, 'a shard that has ended is closed')
    this.#expect(this.#wanted(shardNumber) === shard.next, 'all of it was sent')
    const children = it['childShards'] as readonly unknown[]
    this.#expect(children.length === shard.children.length, 'its children are told')
    this.places.set(shardNumber, 'ended')
  }

  #takeHeartbeat(it: Told): void {
    const shards = it['shards'] as readonly { shardNumber: bigint; nextSequenceNumber: bigint }[]
    for (const { shardNumber, nextSequenceNumber } of shards) {
      this.#expect(
        this.#wanted(shardNumber) === nextSequenceNumber,
        'the heartbeat knows the place',
      )
    }
  }

  #wanted(shardNumber: bigint): bigint {
    const place = this.places.get(shardNumber)
    if (typeof place === 'bigint') return place
    throw new Error(`shard ${shardNumber} is ${place ?? 'not known'}`)
  }

  #expect(isSo: boolean, what: string): void {
    if (!isSo) throw new Error(`subscriber with ${this.creditBytes} bytes: ${what}: is not so`)
  }
}
