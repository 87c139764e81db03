/** What both entries of the client export. */

export { type ErrorCode, type ErrorRow, errorTable, MillraceError } from '../errors.ts'
export type {
  Checkpoint,
  ChildShard,
  ConsumerDescription,
  ConsumerStatus,
  HeldLease,
  Lease,
  LeaseState,
  ShardDescription,
  ShardFilter,
  ShardIteratorType,
  ShardMove,
  StreamMode,
  StreamStatus,
  StreamSummary,
  Tag,
} from '../wire/operations.ts'
export { type RecordView, SliceCursor } from '../wire/slice-cursor.ts'
export type {
  CallOptions,
  DeleteStreamOptions,
  Durability,
  GetRecordsAnswer,
  PutAnswer,
  PutOptions,
  PutRecordResult,
  PutRecordsAnswer,
  RecordInput,
} from '../wire/verbs.ts'
export type { Client, ConnectOptions } from './client.ts'
export type { ConnectionState } from './connection.ts'
export type { Consumer } from './consumer.ts'
export type { ConsumeOptions } from './consumer-options.ts'
export {
  type BatchHandler,
  type BatchSource,
  type HandleOptions,
  handleBatches,
  type RecordOrigin,
} from './handle-batches.ts'
export { LeaseLostError } from './lease-lost-error.ts'
export type { Producer, ProducerStats, TakeOptions } from './producer.ts'
export type { ProducerOptions } from './producer-options.ts'
export type {
  ConsumerEvents,
  ShardLease,
  SubscriptionEvents,
  SubscriptionState,
} from './pushed-batches.ts'
export type { ReaderEvents, ReaderState, StreamReader } from './reader.ts'
export type { ReadFrom, ReadOptions } from './reader-options.ts'
export type { RecordBatch } from './record-batch.ts'
export { RecordsRefusedError, type RefusedRecord } from './refusals.ts'
export type { Gap } from './shard-cursor.ts'
export type { StreamSubscription } from './stream-subscription.ts'
export type { SubscribeOptions } from './subscribe-options.ts'
export type { TokenSource } from './token-source.ts'
