/** Subscriptions over a log of their own, without a broker and without sockets. */

import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import { Consumers } from '../../../../src/broker/consumers/consumers.ts'
import { FanOut } from '../../../../src/broker/fan-out/fan-out.ts'
import type { FanOutLimits } from '../../../../src/broker/fan-out/fan-out-limits.ts'
import type { SubscriptionSink } from '../../../../src/broker/fan-out/sink.ts'
import { Subscriptions } from '../../../../src/broker/fan-out/subscriptions.ts'
import { StreamCounters } from '../../../../src/broker/stream-counters.ts'
import { type Log, type SequenceNumber, sequenceNumber } from '../../../../src/log/log.ts'
import { openLog } from '../../../../src/log/native-log.ts'
import type { Shard } from '../../../../src/shard/shard.ts'
import type { Stream } from '../../../../src/stream/stream.ts'
import { Streams } from '../../../../src/stream/streams.ts'
import { BatchBuilder } from '../../../../src/wire/batch-builder.ts'
import type { AnswerOf, RequestOf, StreamMode } from '../../../../src/wire/operations.ts'
import { decodePush, isSliceFrame, pushesByOpcode } from '../../../../src/wire/pushes.ts'
import { SliceCursor } from '../../../../src/wire/slice-cursor.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../../../../src/wire/subscription-operations.ts'
import { mergeShards, splitShard } from '../../../support/reshard.ts'
import { FakeClock, logOptions, temporaryDirectory } from '../harness.ts'

export const streamName = 's'

/** A slice that came, or a push, decoded. */
export interface Told {
  /** `slice`, or the name of the push. */
  readonly kind: string
  readonly subscriptionId?: number
  readonly shardNumber?: bigint
  /** Of slices: bytes of the frame, and the numbers and keys of its records. */
  readonly bytes?: number
  readonly numbers?: readonly bigint[]
  readonly texts?: readonly string[]
  /** Of pushes. */
  readonly [field: string]: unknown
}

/** Takes what subscriptions send, as a client would, and gives credit back when it is told to. */
export class FakeSink implements SubscriptionSink {
  readonly told: Told[] = []
  readonly sharer: string | undefined
  /** What the sink answers, and what it says of bytes that wait. */
  isReading = true
  waiting = 0
  stalls = 0
  #count = 0
  onPush: () => void = () => undefined

  constructor(sharer?: string) {
    this.sharer = sharer
  }

  push(frame: Uint8Array, isSlice: boolean): boolean {
    if (isSlice !== isSliceFrame(frame)) throw new Error('a slice that is none, or the reverse')
    this.#count += 1
    this.told.push(isSlice ? sliceOf(frame) : pushOf(frame))
    this.onPush()
    if (!this.isReading) this.waiting += frame.length
    return this.isReading
  }

  bufferedBytes(): number {
    return this.waiting
  }

  stalled(): void {
    this.stalls += 1
  }

  /** Frames so far. */
  get count(): number {
    return this.#count
  }

  /** What came since the last time; heartbeats only when they are asked for. */
  take({ heartbeats = false }: { readonly heartbeats?: boolean } = {}): Told[] {
    return this.told.splice(0).filter((it) => heartbeats || it.kind !== 'Heartbeat')
  }

  /** The texts of the records that came since the last time. */
  takeTexts(): string[] {
    return this.take().flatMap((it) => it.texts ?? [])
  }
}

function sliceOf(frame: Uint8Array): Told {
  const cursor = new SliceCursor(frame.slice(), { verify: true })
  const numbers: bigint[] = []
  const texts: string[] = []
  let shardNumber = 0n
  while (cursor.next()) {
    shardNumber = cursor.shard
    numbers.push(cursor.sequenceNumber)
    texts.push(cursor.partitionKey ?? '')
  }
  return { kind: 'slice', shardNumber, bytes: frame.length, numbers, texts }
}

function pushOf(frame: Uint8Array): Told {
  const push = pushesByOpcode.get(frame[1] as number)
  if (push === undefined) throw new Error(`push ${frame[1]} is unknown`)
  return { ...decodePush(push, frame), kind: push.name }
}

export class TestFanOut {
  readonly log: Log
  readonly streams: Streams
  readonly consumers: Consumers
  readonly fanOut: FanOut
  readonly clock: FakeClock
  readonly reported: string[] = []
  /** Told of a change of a stream before any subscription is. */
  changing: (stream: Stream) => void = () => undefined
  readonly #builder = new BatchBuilder()

  constructor(log: Log, streams: Streams, clock: FakeClock, limits: Partial<FanOutLimits>) {
    this.log = log
    this.streams = streams
    this.clock = clock
    this.consumers = new Consumers(streams, clock.now)
    const { consumers } = this
    const clocks = { now: clock.now, elapsed: clock.now }
    const report = ({ code }: { code: string }) => this.reported.push(code)
    const counters = new StreamCounters()
    this.fanOut = new FanOut({ log, streams, consumers, counters, ...clocks, report }, limits)
  }

  shard(index: number): Shard {
    const shard = this.streams.require(streamName).shards.get(index)
    if (shard === undefined) throw new Error(`there is no shard ${index}`)
    return shard
  }

  /** The number of the record of a shard that comes behind so many others. */
  numberOf(index: number, before: number): SequenceNumber {
    return sequenceNumber(this.shard(index).startingSequenceNumber + BigInt(before))
  }

  /** Appends one batch of records to a shard: keys alone, or with so many bytes of data. */
  async put(index: number, keys: readonly string[], dataBytes = 1): Promise<bigint> {
    this.#builder.clear()
    for (const key of keys) this.#builder.add(key, new Uint8Array(dataBytes))
    const { bytes, count } = this.#builder
    const batch = { bytes: bytes.slice(), count }
    const answer = await this.log.append(this.shard(index).number, batch, { durability: 'os' })
    return answer.firstSequenceNumber
  }

  split(index: number): Promise<Shard[]> {
    return splitShard(this.streams, streamName, this.shard(index))
  }

  merge(lower: number, upper: number): Promise<Shard> {
    const parents = [this.shard(lower), this.shard(upper)] as const
    return mergeShards(this.streams, streamName, parents)
  }

  open(sharer?: string): { readonly sink: FakeSink; readonly subscriptions: Subscriptions } {
    const sink = new FakeSink(sharer)
    return { sink, subscriptions: new Subscriptions(this.fanOut, sink) }
  }
}

interface FanOutOptions {
  readonly wrap?: (log: Log) => Log
  readonly segmentBytes?: number
  /** How soon a shard that rests gets a marker: it moves then, without records. */
  readonly idleMarkerMillis?: number
  readonly streamMode?: StreamMode
  readonly limits?: Partial<FanOutLimits>
}

/** A stream with so many shards. */
export async function makeFanOut(shardCount = 1, options: FanOutOptions = {}): Promise<TestFanOut> {
  const { wrap = (log) => log, streamMode, limits = {} } = options
  const { segmentBytes = 64 * 1024, idleMarkerMillis = 100 } = options
  const dir = join(temporaryDirectory(), 'data')
  const clock = new FakeClock()
  const segments = { segmentBytesMin: segmentBytes, segmentBytesMax: segmentBytes }
  const log = wrap(await openLog({ ...logOptions, ...segments, idleMarkerMillis, dir }))
  let made: TestFanOut | undefined
  const streams = await Streams.open(log, {
    now: clock.now,
    steadyClock: { bootId: 'boot', millis: clock.now },
    isBeingRead: (shard) => made?.fanOut.isReading(shard) ?? false,
    onServing: (stream) => {
      made?.changing(stream)
      made?.fanOut.streamChanged(stream)
    },
    onError: (error) => {
      throw error
    },
  })
  made = new TestFanOut(log, streams, clock, limits)
  onTestFinished(async () => {
    await streams.close()
    await log.close()
  })
  await makeStream(made, streamName, shardCount, streamMode)
  return made
}

export async function makeStream(
  { streams }: TestFanOut,
  name: string,
  shardCount: number,
  streamMode: StreamMode = 'PROVISIONED',
): Promise<void> {
  await streams.create({ streamName: name, shardCount, streamMode })
  while (streams.serving(name) === undefined) await turns(1)
}

/**
 * The clock of rounds is 2 ms later whenever it is looked at, so that a round of 1 ms is over after
 * one sender: until it is restored, or the test is over.
 */
export function makeClockJump(): { readonly restore: () => void } {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 2
    return now
  })
  const restore = () => void clock.mockRestore()
  onTestFinished(restore)
  return { restore }
}

/** Lets whatever is ready run. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits until something is so: for what threads of the log have to say. */
export async function until(isSo: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!isSo()) {
    if (Date.now() > end) throw new Error(`it never came: ${isSo}`)
    await turns(1)
  }
}

export function toShard(
  subscriptions: Subscriptions,
  index: number,
  request: Partial<RequestOf<typeof subscribeToShard>> = {},
): Promise<AnswerOf<typeof subscribeToShard>> {
  return subscriptions.call(subscribeToShard, {
    streamName,
    shardId: String(index),
    startingPositionType: 'TRIM_HORIZON',
    creditBytes: 256 * 1024,
    ...request,
  })
}

export function toStream(
  subscriptions: Subscriptions,
  request: Partial<RequestOf<typeof subscribeToStream>> = {},
): Promise<AnswerOf<typeof subscribeToStream>> {
  return subscriptions.call(subscribeToStream, {
    streamName,
    startingPositionType: 'TRIM_HORIZON',
    creditBytes: 256 * 1024,
    resume: [],
    ...request,
  })
}

export function leave(subscriptions: Subscriptions, subscriptionId: number): Promise<object> {
  return subscriptions.call(unsubscribe, { subscriptionId })
}

export interface WaitingSubscriber {
  readonly sink: FakeSink
  readonly subscriptions: Subscriptions
  readonly subscriptionId: number
  /** Credit that it has given back. */
  returned: number
}

/** So many subscribers of one shard, who wait for records. */
export async function openWaiting(
  made: TestFanOut,
  count: number,
  creditBytes = 1024 * 1024,
): Promise<WaitingSubscriber[]> {
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

/** Of all records that have come and were not taken. */
export function textsOf({ told }: FakeSink): string[] {
  return told.flatMap((it) => it.texts ?? [])
}
