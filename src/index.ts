/** The public face of the package. */

export {
  type BatchHandler,
  type BatchSource,
  type ConsumeOptions,
  type Consumer,
  type ConsumerEvents,
  type Gap,
  type HandleOptions,
  handleBatches,
  LeaseLostError,
  type Producer,
  type ProducerOptions,
  type ProducerStats,
  type ReaderState,
  type ReadFrom as StreamReadFrom,
  type ReadOptions as StreamReadOptions,
  type RecordBatch,
  type RecordOrigin,
  RecordsRefusedError,
  type RefusedRecord,
  type ShardLease,
  type StreamReader,
  type StreamSubscription,
  type SubscribeOptions,
  type SubscriptionState,
} from './client/public.ts'
export {
  type ErrorCode,
  type ErrorDetails,
  type ErrorRange,
  type ErrorRow,
  errorTable,
  MillraceError,
} from './errors.ts'
export {
  type AppendAnswer,
  type AppendOptions,
  type Batch,
  type DamagedRange,
  type Durability,
  type KeyName,
  type Log,
  type LogStats,
  type MasterKey,
  type Position,
  type PutRecordsAnswer,
  type PutRecordsOptions,
  position,
  type ReadableRange,
  type ReadFrom,
  type ReadOptions,
  type Route,
  type ScrubReport,
  type SequenceNumber,
  type ShardId,
  type ShardStats,
  type Slice,
  sequenceNumber,
  shardId,
  type TailAnswer,
} from './log/log.ts'
export { type NativeLog, openLog } from './log/native-log.ts'
export type { NativeShard } from './log/native-shard.ts'
export type { LogOptions } from './log/open-options.ts'
export { verify } from './log/verify.ts'
export { Millrace, type MillraceOptions } from './millrace.ts'
export { BatchBuilder } from './wire/batch-builder.ts'
export { type RecordView, SliceCursor } from './wire/slice-cursor.ts'
export type {
  Checkpoint,
  ConsumerDescription,
  ConsumerStatus,
  HeldLease,
  Lease,
  LeaseState,
} from './wire/structures.ts'
export type {
  CallOptions,
  DeleteStreamOptions,
  GetRecordsAnswer,
  PutAnswer,
  PutOptions,
  PutRecordResult,
  RecordInput,
} from './wire/verbs.ts'
