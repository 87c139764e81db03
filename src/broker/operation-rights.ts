/**
 * What each operation takes: the one table of it. An operation that is not in it is refused to
 * everybody but who embeds the broker; a test asks for a row of every one.
 */

import { MillraceError } from '../errors.ts'
import {
  acquireLeases,
  deregisterStreamConsumer,
  describeStreamConsumer,
  getCheckpoints,
  listLeases,
  listStreamConsumers,
  registerStreamConsumer,
  releaseLease,
  renewLeases,
  setCheckpoint,
} from '../wire/consumer-operations.ts'
import { startStreamEncryption, stopStreamEncryption } from '../wire/encryption-operations.ts'
import {
  disableEnhancedMonitoring,
  enableEnhancedMonitoring,
} from '../wire/monitoring-operations.ts'
import {
  addTagsToStream,
  createStream,
  deleteStream,
  describeScaling,
  describeStream,
  describeStreamSummary,
  getRecords,
  getShardIterator,
  listShards,
  listStreams,
  listTagsForStream,
  mergeShards,
  type Operation,
  putBatch,
  putRecord,
  putRecords,
  removeTagsFromStream,
  splitShard,
  updateShardCount,
} from '../wire/operations.ts'
import {
  decreaseStreamRetentionPeriod,
  describeLimits,
  increaseStreamRetentionPeriod,
  updateMaxRecordSize,
  updateStreamMode,
  updateStreamRetentionBytes,
} from '../wire/setting-operations.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../wire/subscription-operations.ts'
import { allRights, anyone, type Caller, type Rights, requireRight, rightsOf } from './caller.ts'

export interface Need {
  /** One of these is enough. */
  readonly rights: Rights
  /**
   * On which stream: `named` by the request; `found` by the handler, which asks for the right
   * itself; `any` one at all, and the answer has no more than the caller may know.
   */
  readonly on: 'named' | 'found' | 'any'
}

type AnyOperation = Pick<Operation, 'opcode'>

function needs(
  rights: Rights,
  on: Need['on'],
  operations: readonly AnyOperation[],
): [number, Need][] {
  return operations.map(({ opcode }) => [opcode, { rights, on }])
}

export const putRight: Rights = rightsOf(['put'])
export const getRight: Rights = rightsOf(['get'])
export const adminRight: Rights = rightsOf(['admin'])
export const subscribeRight: Rights = rightsOf(['subscribe'])
export const consumerRights: Rights = rightsOf(['subscribe', 'admin'])

const needsByOpcode: ReadonlyMap<number, Need> = new Map([
  ...needs(putRight, 'named', [putRecord, putRecords, putBatch]),
  ...needs(getRight, 'named', [getShardIterator]),
  ...needs(getRight, 'found', [getRecords]),
  ...needs(subscribeRight, 'named', [
    subscribeToShard,
    subscribeToStream,
    setCheckpoint,
    acquireLeases,
    renewLeases,
    releaseLease,
  ]),
  ...needs(consumerRights, 'named', [
    registerStreamConsumer,
    describeStreamConsumer,
    getCheckpoints,
    listLeases,
  ]),
  ...needs(consumerRights, 'found', [listStreamConsumers]),
  // Whoever may do anything with a stream has to find its shards.
  ...needs(allRights, 'named', [
    describeStream,
    describeStreamSummary,
    describeScaling,
    listTagsForStream,
  ]),
  ...needs(allRights, 'found', [listShards]),
  // A connection has its own subscriptions alone.
  ...needs(allRights, 'any', [listStreams, describeLimits, unsubscribe]),
  ...needs(adminRight, 'named', [
    createStream,
    deleteStream,
    addTagsToStream,
    removeTagsFromStream,
    splitShard,
    mergeShards,
    updateShardCount,
    increaseStreamRetentionPeriod,
    decreaseStreamRetentionPeriod,
    updateMaxRecordSize,
    updateStreamMode,
    updateStreamRetentionBytes,
    enableEnhancedMonitoring,
    disableEnhancedMonitoring,
    startStreamEncryption,
    stopStreamEncryption,
    deregisterStreamConsumer,
  ]),
])

export function needOf(operation: AnyOperation): Need | undefined {
  return needsByOpcode.get(operation.opcode)
}

/** Throws a MillraceError, ACCESS_DENIED, unless the caller may ask for this. */
export function requireCallRight(
  caller: Caller,
  operation: Pick<Operation, 'opcode' | 'name'>,
  request: object,
): void {
  if (caller === anyone) return
  const need = needOf(operation)
  const { streamName } = request as { readonly streamName?: string }
  if (need?.on === 'named' && streamName !== undefined) {
    requireRight(caller, need.rights, operation.name, streamName)
  } else if (need === undefined || need.on === 'named' || !caller.hasRights) {
    caller.denied(operation.name, undefined)
    throw new MillraceError('ACCESS_DENIED', `${operation.name} takes a permission`)
  }
}
