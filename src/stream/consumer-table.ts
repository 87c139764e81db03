/**
 * The consumers of all streams, with what they have read and who of their workers has which shard:
 * a part of what the records of the catalog add up to. Pure.
 */

import type { SequenceNumber } from '../wire/numbers.ts'
import { type CatalogRecord, shardsPerRecordMax, unreadable } from './catalog-records.ts'
import { chunks } from './chunks.ts'

/** Where a consumer goes on in a shard; `finished` where it has read it to its end. */
export type CheckpointPlace = SequenceNumber | 'finished'

/** That a shard of a consumer is a worker's. */
export interface Lease {
  readonly workerId: string
  /** Higher than those of all earlier leases of the data directory. */
  readonly counter: bigint
  /** How long it is held without being renewed. */
  readonly millis: number
}

/** One registration: a name that is registered again has another one. Changes with the catalog. */
export interface Consumer {
  readonly streamNumber: number
  readonly name: string
  readonly createdMillis: number
  readonly tags: ReadonlyMap<string, string>
  /** By the index of the shard. */
  readonly checkpoints: ReadonlyMap<number, CheckpointPlace>
  /** By the index of the shard; those that were neither released nor taken by another. */
  readonly leases: ReadonlyMap<number, Lease>
}

interface StoredConsumer extends Consumer {
  readonly checkpoints: Map<number, CheckpointPlace>
  readonly leases: Map<number, Lease>
}

type ConsumerKind =
  | 'consumerRegistered'
  | 'consumerDeregistered'
  | 'checkpointsSet'
  | 'leasesSet'
  | 'leaseCounterGiven'
export type ConsumerRecord = Extract<CatalogRecord, { kind: ConsumerKind }>
type Change<Kind extends ConsumerKind> = Extract<CatalogRecord, { kind: Kind }>

export class ConsumerTable {
  readonly #byStream = new Map<number, Map<string, StoredConsumer>>()
  #highestCounter = 0n

  /** No lease has had a higher one. */
  get highestCounter(): bigint {
    return this.#highestCounter
  }

  /** Those of a stream, in the order of their registration. */
  of(streamNumber: number): Consumer[] {
    return [...(this.#byStream.get(streamNumber)?.values() ?? [])]
  }

  find(streamNumber: number, name: string): Consumer | undefined {
    return this.#byStream.get(streamNumber)?.get(name)
  }

  /** Throws a MillraceError, CATALOG_UNREADABLE, for a record that does not follow the others. */
  apply(record: ConsumerRecord): void {
    switch (record.kind) {
      case 'consumerRegistered':
        this.#register(record)
        break
      case 'consumerDeregistered':
        this.#require(record)
        this.#byStream.get(record.streamNumber)?.delete(record.consumerName)
        break
      case 'checkpointsSet':
        this.#setCheckpoints(record)
        break
      case 'leasesSet':
        this.#setLeases(record)
        break
      case 'leaseCounterGiven':
        this.#raiseCounter(record.leaseCounter)
        break
    }
  }

  /** Forgets those of a stream. */
  drop(streamNumber: number): void {
    this.#byStream.delete(streamNumber)
  }

  /** Forgets what its consumers have of shards that are not there any more. */
  dropShards(streamNumber: number, shardIndexes: readonly number[]): void {
    for (const { checkpoints, leases } of this.#byStream.get(streamNumber)?.values() ?? []) {
      for (const index of shardIndexes) {
        checkpoints.delete(index)
        leases.delete(index)
      }
    }
  }

  /** What a snapshot says besides those that are there. */
  counterRecords(): ConsumerRecord[] {
    const leaseCounter = this.#highestCounter
    return leaseCounter === 0n ? [] : [{ kind: 'leaseCounterGiven', leaseCounter }]
  }

  #register({ streamNumber, consumerName, createdMillis, tags }: Change<'consumerRegistered'>) {
    let consumers = this.#byStream.get(streamNumber)
    if (consumers === undefined) {
      consumers = new Map()
      this.#byStream.set(streamNumber, consumers)
    }
    if (consumers.has(consumerName)) throw unreadable('a name stands for two consumers')
    consumers.set(consumerName, {
      streamNumber,
      name: consumerName,
      createdMillis,
      tags: new Map(tags.map(({ key, value }) => [key, value])),
      checkpoints: new Map(),
      leases: new Map(),
    })
  }

  #setCheckpoints(record: Change<'checkpointsSet'>): void {
    const { checkpoints } = this.#require(record)
    for (const { shardIndex, nextSequenceNumber } of record.checkpoints) {
      checkpoints.set(shardIndex, (nextSequenceNumber ?? 'finished') as CheckpointPlace)
    }
  }

  #setLeases(record: Change<'leasesSet'>): void {
    const { leases } = this.#require(record)
    for (const { shardIndex, leaseCounter, leaseMillis, workerId } of record.leases) {
      this.#raiseCounter(leaseCounter)
      if (workerId === undefined) leases.delete(shardIndex)
      else leases.set(shardIndex, { workerId, counter: leaseCounter, millis: leaseMillis })
    }
  }

  #raiseCounter(counter: bigint): void {
    if (counter > this.#highestCounter) this.#highestCounter = counter
  }

  #require(record: { readonly streamNumber: number; readonly consumerName: string }) {
    const consumer = this.#byStream.get(record.streamNumber)?.get(record.consumerName)
    if (consumer !== undefined) return consumer
    const { streamNumber, consumerName } = record
    throw unreadable(`it has no consumer ${consumerName} of stream number ${streamNumber}`)
  }
}

/** The records that make a consumer as it is. */
export function* consumerRecords(consumer: Consumer): Iterable<ConsumerRecord> {
  const { streamNumber, name: consumerName, createdMillis } = consumer
  const tags = Array.from(consumer.tags, ([key, value]) => ({ key, value }))
  yield { kind: 'consumerRegistered', streamNumber, consumerName, createdMillis, tags }
  yield* checkpointRecords(consumer, consumer.checkpoints)
  const leases = Array.from(consumer.leases, ([shardIndex, lease]) => ({
    shardIndex,
    leaseCounter: lease.counter,
    leaseMillis: lease.millis,
    workerId: lease.workerId,
  }))
  for (const part of chunks(leases, shardsPerRecordMax)) {
    yield { kind: 'leasesSet', streamNumber, consumerName, leases: part }
  }
}

/** The records that set checkpoints of a consumer, by the index of the shard. */
export function* checkpointRecords(
  { streamNumber, name: consumerName }: Pick<Consumer, 'streamNumber' | 'name'>,
  places: ReadonlyMap<number, CheckpointPlace>,
): Iterable<ConsumerRecord> {
  const checkpoints = Array.from(places, ([shardIndex, place]) =>
    place === 'finished' ? { shardIndex } : { shardIndex, nextSequenceNumber: place },
  )
  for (const part of chunks(checkpoints, shardsPerRecordMax)) {
    yield { kind: 'checkpointsSet', streamNumber, consumerName, checkpoints: part }
  }
}
