/** What the server needs of a broker. */

import type { MillraceError } from '../errors.ts'
import type { LogStats } from '../log/log.ts'
import type { AnswerOf, Operation, RequestOf } from '../wire/operations.ts'

/** What was put and read, in all and by stream. */
export interface BrokerStats {
  readonly streams: ReadonlyMap<string, StreamCounts>
  readonly streamCount: number
  readonly log: LogStats
}

export interface StreamCounts {
  readonly appendRecords: number
  readonly appendBytes: number
  readonly appendRefused: ReadonlyMap<string, number>
  readonly readRecords: number
  readonly readBytes: number
  readonly readRefused: ReadonlyMap<string, number>
}

export interface ServedBroker {
  /** Rejects with a MillraceError, which is answered. */
  call<Op extends Operation>(operation: Op, request: RequestOf<Op>): Promise<AnswerOf<Op>>
  /**
   * `frame` is only read during the call. `answer` is called once, with an encoded frame. Throws a
   * MillraceError, PROTOCOL_VIOLATION, when the head of the frame cannot be read.
   */
  put(frame: Uint8Array, answer: (frame: Uint8Array) => void): void
  stats(): Promise<BrokerStats>
  /** Answers when everything that was put so far is on disk. */
  flush(): Promise<void>
  /** Resolves when the log has failed: nothing is acknowledged any more. Never rejects. */
  readonly failed: Promise<MillraceError>
}
