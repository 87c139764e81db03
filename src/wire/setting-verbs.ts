/**
 * What is set of a stream, as users call it; see verbs.ts. Each of these answers when the change is
 * on disk; the stream is UPDATING then, and soon ACTIVE. Each rejects: STREAM_NOT_FOUND,
 * STREAM_IN_USE (not ACTIVE), DISK_FULL, LOG_FAILED.
 */

import { EncryptionVerbs } from './encryption-verbs.ts'
import type { CallOptions, Exchange } from './exchange.ts'
import type { AnswerOf, Operation, RequestOf } from './operation.ts'
import {
  decreaseStreamRetentionPeriod,
  describeLimits,
  increaseStreamRetentionPeriod,
  updateMaxRecordSize,
  updateStreamMode,
  updateStreamRetentionBytes,
} from './setting-operations.ts'
import type { StreamMode } from './structures.ts'

export class SettingVerbs extends EncryptionVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    super(exchange)
    this.#exchange = exchange
  }

  /**
   * Keeps the records of a stream for longer: 24 to 8760 hours. What has expired does not come
   * back. Rejects also: INVALID_ARGUMENT, for less than the stream has.
   */
  async increaseStreamRetentionPeriod(
    streamName: string,
    retentionPeriodHours: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#set(increaseStreamRetentionPeriod, { streamName, retentionPeriodHours }, options)
  }

  /**
   * Keeps the records of a stream for a shorter time: what is older is not read any more when this
   * answers. Rejects also: INVALID_ARGUMENT, for more than the stream has.
   */
  async decreaseStreamRetentionPeriod(
    streamName: string,
    retentionPeriodHours: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#set(decreaseStreamRetentionPeriod, { streamName, retentionPeriodHours }, options)
  }

  /**
   * Keeps the newest bytes of a stream, of all of its shards together, 1 MiB or more, and none that
   * are older than its retention period; without a number all that are not.
   */
  async updateStreamRetentionBytes(
    streamName: string,
    retentionBytes?: number | undefined,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#set(updateStreamRetentionBytes, { streamName, retentionBytes }, options)
  }

  /** How many bytes key and data of a record may have: 1 to 10 MiB, for records from now on. */
  async updateMaxRecordSize(
    streamName: string,
    recordBytesMax: number,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#set(updateMaxRecordSize, { streamName, recordBytesMax }, options)
  }

  /** Rejects also: LIMIT_EXCEEDED, for the third switch within 24 hours. */
  async updateStreamMode(
    streamName: string,
    streamMode: StreamMode,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#set(updateStreamMode, { streamName, streamMode }, options)
  }

  /** What the broker can have of shards and streams, and what it has. */
  describeLimits(options: CallOptions = {}): Promise<AnswerOf<typeof describeLimits>> {
    return this.#exchange.call(describeLimits, {}, { ...options, repeatable: true })
  }

  async #set<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: CallOptions,
  ): Promise<void> {
    await this.#exchange.call(operation, request, { ...options, repeatable: false })
  }
}
