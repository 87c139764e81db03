/**
 * Operations of registered consumers, of what they have read, and of the workers of a consumer that
 * share its shards.
 */

import {
  leaseMillisHighest,
  leaseMillisLowest,
  leasesPerRequestMax,
  pageElementsMax,
  shardCountMax,
  tagsMax,
} from '../limits.ts'
import { list, optional, u64, uint } from './fields.ts'
import { operation } from './operation.ts'
import {
  checkpoint,
  consumer,
  consumerFields,
  consumerName,
  heldLease,
  lease,
  leaseCounter,
  leaseState,
  millis,
  shardIdField,
  streamName,
  tag,
  token,
  workerId,
} from './structures.ts'

const ofConsumer = { streamName, consumerName }

export const registerStreamConsumer = operation(
  0x30,
  'RegisterStreamConsumer',
  { ...ofConsumer, tags: optional(list(tag, { max: tagsMax })) },
  consumerFields,
)

export const describeStreamConsumer = operation(0x31, 'DescribeStreamConsumer', ofConsumer, {
  ...consumerFields,
  tags: list(tag, { max: tagsMax }),
})

export const listStreamConsumers = operation(
  0x32,
  'ListStreamConsumers',
  {
    /** Either this or `nextToken`. */
    streamName: optional(streamName),
    nextToken: optional(token),
    maxResults: optional(uint(1, pageElementsMax)),
    /** Tells a stream from an earlier one of the same name. */
    streamCreationTimestamp: optional(millis),
  },
  { consumers: list(consumer, { max: pageElementsMax }), nextToken: optional(token) },
)

export const deregisterStreamConsumer = operation(0x33, 'DeregisterStreamConsumer', ofConsumer, {})

export const getCheckpoints = operation(0x34, 'GetCheckpoints', ofConsumer, {
  checkpoints: list(checkpoint, { max: shardCountMax }),
})

export const setCheckpoint = operation(
  0x35,
  'SetCheckpoint',
  {
    ...ofConsumer,
    shardId: shardIdField,
    /** The record that is to be read next; missing where the shard has been read to its end. */
    nextSequenceNumber: optional(u64()),
    /** Of the lease under which it was read; needed while the shard is leased. */
    leaseCounter: optional(leaseCounter),
  },
  {},
)

export const acquireLeases = operation(
  0x36,
  'AcquireLeases',
  {
    ...ofConsumer,
    workerId,
    /** How long a lease is held without being renewed. */
    leaseMillis: uint(leaseMillisLowest, leaseMillisHighest),
    /** Leases that the worker holds at most, with those it has. */
    leasesMax: optional(uint(1, leasesPerRequestMax)),
  },
  {
    /** Those that are new; from now on they are the worker's. */
    acquired: list(lease, { max: leasesPerRequestMax }),
    /** All workers that hold or want leases, this one among them. */
    workerCount: uint(),
    /**
     * When the worker should ask again: a lease of somebody else may have expired, or a shard have
     * been left that nobody took. Missing where nothing of that kind is to be had.
     */
    askAgainMillis: optional(uint()),
  },
)

export const renewLeases = operation(
  0x37,
  'RenewLeases',
  { ...ofConsumer, workerId, leases: list(heldLease, { max: leasesPerRequestMax }) },
  /** Those of the request that are not the worker's any more. */
  { lost: list(heldLease, { max: leasesPerRequestMax }) },
)

export const releaseLease = operation(
  0x38,
  'ReleaseLease',
  { ...ofConsumer, workerId, shardId: shardIdField, leaseCounter },
  {},
)

export const listLeases = operation(0x39, 'ListLeases', ofConsumer, {
  leases: list(leaseState, { max: shardCountMax }),
})
