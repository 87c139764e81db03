/** Puts the flights, over and over, while consumers read them, and measures. */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Client } from '../../client/client.ts'
import type { StreamSubscription } from '../../client/stream-subscription.ts'
import { DeliveryCheck } from '../delivery-check.ts'
import { untilDelivered } from '../until-delivered.ts'
import { decodeFlight, encodeFlight, type FlightRecord } from './flights.ts'

export const stream = 'flights'
/** What the producer holds at most: more would only make records older before they are sent. */
const bufferBytesMax = 8 * 1024 * 1024

function consumerName(index: number): string {
  return `consumer-${index + 1}`
}

export interface ReplayParts {
  readonly flights: readonly FlightRecord[]
  /** Records to put: the flights are begun again when they are through. */
  readonly total: number
  readonly producer: Client
  readonly consumers: readonly Client[]
  readonly signal: AbortSignal
}

/** One replay, while it runs and after. */
export class Replay {
  readonly #parts: ReplayParts
  /** When each record was handed to the producer, in ms. */
  readonly #putAt: Float64Array
  readonly checks: readonly DeliveryCheck[]
  /** From the put of a record to its arrival at a consumer, in microseconds. */
  readonly latency: RecordableHistogram = createHistogram()
  put = 0
  putBytes = 0
  /** How many records are acknowledged. */
  acknowledged: () => number = () => 0

  /** Records to put. */
  readonly total: number

  constructor(parts: ReplayParts) {
    this.total = parts.total
    this.#parts = parts
    this.#putAt = new Float64Array(parts.total)
    this.checks = parts.consumers.map(() => new DeliveryCheck(parts.total))
  }

  /** Keys and data of what was acknowledged, taken at their mean size. */
  get acknowledgedBytes(): number {
    return this.put === 0 ? 0 : (this.acknowledged() * this.putBytes) / this.put
  }

  /** Registers the consumers: each has a name, under which the stream is pushed to it. */
  async register(): Promise<void> {
    const { producer, consumers } = this.#parts
    for (const index of consumers.keys()) {
      await producer.registerStreamConsumer(stream, consumerName(index))
    }
  }

  /**
   * Answers when all is put and acknowledged and has reached every consumer, or nothing has come
   * for 10 s; what is doubled has time to show itself.
   */
  async run(): Promise<void> {
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.#parts.signal])
    const reading = this.#parts.consumers.map((client, index) => {
      const subscription = client.subscribe(stream, {
        from: 'oldest',
        consumer: consumerName(index),
        signal,
      })
      return this.#consume(subscription, this.checks[index] as DeliveryCheck, signal)
    })
    const failed = Promise.all(reading).then(() => signal.throwIfAborted())
    try {
      await Promise.race([failed, this.#produce().then(() => this.#allDelivered())])
    } finally {
      stop.abort()
    }
    await Promise.all(reading)
  }

  async #consume(
    subscription: StreamSubscription,
    check: DeliveryCheck,
    signal: AbortSignal,
  ): Promise<void> {
    const { flights } = this.#parts
    try {
      for await (const batch of subscription) {
        const now = performance.now()
        for (const record of batch) {
          const number = decodeFlight(record.data, flights)
          check.take(record.partitionKey ?? '', number)
          const putAt = this.#putAt[number]
          if (putAt !== undefined)
            this.latency.record(Math.max(1, Math.round((now - putAt) * 1000)))
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  #allDelivered(): Promise<void> {
    const { total, signal } = this.#parts
    const delivered = () => this.checks.reduce((sum, check) => sum + check.delivered, 0)
    return untilDelivered({ delivered, expected: total * this.checks.length, signal })
  }

  async #produce(): Promise<void> {
    const { producer: client, flights, total, signal } = this.#parts
    const producer = client.producer(stream, { inFlightMax: 64, bytesMax: bufferBytesMax })
    this.acknowledged = () => producer.stats.acknowledgedRecords
    for (let number = 0; number < total; number += 1) {
      const flight = flights[number % flights.length] as FlightRecord
      const data = encodeFlight(number, flight)
      this.#putAt[number] = performance.now()
      await producer.put({ key: flight.key, data }, { signal })
      this.put += 1
      this.putBytes += data.length + flight.key.length
    }
    await producer.close()
  }
}
