/**
 * The operations that change the shards of a stream, as users call them: a part of the verbs, and
 * verbs.ts says what they have in common.
 */

import type { CallOptions, Exchange } from './exchange.ts'
import type { AnswerOf, Operation, RequestOf } from './operation.ts'
import { describeScaling, mergeShards, splitShard, updateShardCount } from './reshard-operations.ts'
import { SettingVerbs } from './setting-verbs.ts'
import type { ShardMove } from './structures.ts'

/** How hot the shards of a stream are, and what it would do about that by itself. */
export type ScalingDescription = AnswerOf<typeof describeScaling>

type Rest<Op extends Operation> = Omit<RequestOf<Op>, 'streamName'>

export class ReshardVerbs extends SettingVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    super(exchange)
    this.#exchange = exchange
  }

  /**
   * Splits an open shard of a PROVISIONED stream in two, in the middle unless
   * `newStartingHashKey` is given. Answers which keys move, when that is decided: the stream is
   * UPDATING, takes records meanwhile, and is ACTIVE when it is done. With `dryRun` it only says
   * what would be. Rejects: STREAM_NOT_FOUND, SHARD_NOT_FOUND, STREAM_IN_USE, LIMIT_EXCEEDED,
   * INVALID_ARGUMENT, DISK_FULL, LOG_FAILED.
   */
  async splitShard(
    streamName: string,
    request: Rest<typeof splitShard>,
    options: CallOptions = {},
  ): Promise<readonly ShardMove[]> {
    return (await this.#once(splitShard, { ...request, streamName }, options)).moves
  }

  /** Merges an open shard with the one above it into one. Otherwise as `splitShard`. */
  async mergeShards(
    streamName: string,
    request: Rest<typeof mergeShards>,
    options: CallOptions = {},
  ): Promise<readonly ShardMove[]> {
    return (await this.#once(mergeShards, { ...request, streamName }, options)).moves
  }

  /**
   * Splits and merges shards until there are so many, with ranges of one size: half as many as
   * there are at least, twice as many at most, 10 times in 24 hours. Otherwise as `splitShard`.
   */
  updateShardCount(
    streamName: string,
    request: Rest<typeof updateShardCount>,
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof updateShardCount>> {
    return this.#once(updateShardCount, { ...request, streamName }, options)
  }

  /**
   * What comes into each open shard of a stream, and, where it is ON_DEMAND, which of them it would
   * split or merge now, and why. Nothing is done. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE.
   */
  describeScaling(streamName: string, options: CallOptions = {}): Promise<ScalingDescription> {
    return this.#exchange.call(describeScaling, { streamName }, { ...options, repeatable: true })
  }

  #once<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: CallOptions,
  ): Promise<AnswerOf<Op>> {
    return this.#exchange.call(operation, request, { ...options, repeatable: false })
  }
}
