/** What those that change streams need of Streams, whose parts they are. */

import type { Log, ShardId } from '../log/log.ts'
import type { Stream } from './stream.ts'
import type { StreamCatalog } from './stream-catalog.ts'

export interface StreamHost {
  readonly log: Log
  readonly catalog: StreamCatalog
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Throws a MillraceError: STREAM_NOT_FOUND, STREAM_IN_USE for one that is not ACTIVE. */
  requireActive(name: string): Stream
  /** Throws a MillraceError: STREAM_NOT_FOUND, STREAM_IN_USE for one that is on its way out. */
  requireNotDeleting(name: string): Stream
  /** Whether records can be put to it and read from it, and no deletion has been asked for. */
  isServing(stream: Stream): boolean
  /** What the catalog says of a stream that is serving has changed. */
  changed(streamNumber: number): void
  /** Shards that nothing names, for whose deletion there was no room. */
  deleteLater(numbers: readonly ShardId[]): void
  /** Shards that no stream has any more. */
  forgetShards(numbers: Iterable<bigint>): void
  /** Does in the background what the state of a stream asks for. */
  startWork(streamNumber: number): void
}
