/** Which handler serves which operation. The puts are not among them: see puts.ts. */

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
  type AnswerOf,
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
  type RequestOf,
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
import type { Caller } from './caller.ts'
import type { BrokerContext } from './context.ts'
import { handleGetCheckpoints, handleSetCheckpoint } from './handlers/checkpoints.ts'
import {
  handleDeregisterConsumer,
  handleDescribeConsumer,
  handleListConsumers,
  handleRegisterConsumer,
} from './handlers/consumers.ts'
import { handleCreateStream, handleDeleteStream } from './handlers/create-and-delete-stream.ts'
import { handleDescribeScaling } from './handlers/describe-scaling.ts'
import { handleDescribeStream, handleDescribeStreamSummary } from './handlers/describe-stream.ts'
import { handleStartEncryption, handleStopEncryption } from './handlers/encryption.ts'
import { handleGetRecords } from './handlers/get-records.ts'
import { handleGetShardIterator } from './handlers/get-shard-iterator.ts'
import {
  handleAcquireLeases,
  handleListLeases,
  handleReleaseLease,
  handleRenewLeases,
} from './handlers/leases.ts'
import { handleListShards } from './handlers/list-shards.ts'
import { handleListStreams } from './handlers/list-streams.ts'
import { handleDisableMonitoring, handleEnableMonitoring } from './handlers/monitoring.ts'
import { handleMergeShards, handleSplitShard, handleUpdateShardCount } from './handlers/reshard.ts'
import {
  handleDecreaseRetention,
  handleDescribeLimits,
  handleIncreaseRetention,
  handleMaxRecordSize,
  handleRetentionBytes,
  handleStreamMode,
} from './handlers/stream-settings.ts'
import { handleAddTags, handleListTags, handleRemoveTags } from './handlers/tags.ts'

export type Handler<Op extends Operation> = (
  context: BrokerContext,
  request: RequestOf<Op>,
  /** Has been found to have the right that the table of operation-rights.ts asks for. */
  caller: Caller,
) => Promise<AnswerOf<Op>>

function serve<Op extends Operation>(operation: Op, handler: Handler<Op>) {
  // The table is asked with the operation that it was made from, so the types are the right ones.
  return [operation.opcode, handler as unknown as Handler<Operation>] as const
}

const handlers: ReadonlyMap<number, Handler<Operation>> = new Map([
  serve(createStream, handleCreateStream),
  serve(deleteStream, handleDeleteStream),
  serve(describeStream, handleDescribeStream),
  serve(describeStreamSummary, handleDescribeStreamSummary),
  serve(listStreams, handleListStreams),
  serve(listShards, handleListShards),
  serve(addTagsToStream, handleAddTags),
  serve(removeTagsFromStream, handleRemoveTags),
  serve(listTagsForStream, handleListTags),
  serve(splitShard, handleSplitShard),
  serve(mergeShards, handleMergeShards),
  serve(updateShardCount, handleUpdateShardCount),
  serve(describeScaling, handleDescribeScaling),
  serve(increaseStreamRetentionPeriod, handleIncreaseRetention),
  serve(decreaseStreamRetentionPeriod, handleDecreaseRetention),
  serve(updateStreamRetentionBytes, handleRetentionBytes),
  serve(updateMaxRecordSize, handleMaxRecordSize),
  serve(updateStreamMode, handleStreamMode),
  serve(describeLimits, handleDescribeLimits),
  serve(enableEnhancedMonitoring, handleEnableMonitoring),
  serve(disableEnhancedMonitoring, handleDisableMonitoring),
  serve(startStreamEncryption, handleStartEncryption),
  serve(stopStreamEncryption, handleStopEncryption),
  serve(getShardIterator, handleGetShardIterator),
  serve(getRecords, handleGetRecords),
  serve(registerStreamConsumer, handleRegisterConsumer),
  serve(describeStreamConsumer, handleDescribeConsumer),
  serve(listStreamConsumers, handleListConsumers),
  serve(deregisterStreamConsumer, handleDeregisterConsumer),
  serve(getCheckpoints, handleGetCheckpoints),
  serve(setCheckpoint, handleSetCheckpoint),
  serve(acquireLeases, handleAcquireLeases),
  serve(renewLeases, handleRenewLeases),
  serve(releaseLease, handleReleaseLease),
  serve(listLeases, handleListLeases),
])

export function handlerOf<Op extends Operation>(operation: Op): Handler<Op> | undefined {
  return handlers.get(operation.opcode) as unknown as Handler<Op> | undefined
}
