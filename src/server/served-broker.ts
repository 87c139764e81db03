/** What the server needs of a broker. */

import type { AnswerOf, Operation, RequestOf } from '../wire/operations.ts'

export interface ServedBroker {
  /** Rejects with a MillraceError, which is answered. */
  call<Op extends Operation>(operation: Op, request: RequestOf<Op>): Promise<AnswerOf<Op>>
  /**
   * `frame` is only read during the call. `answer` is called once, with an encoded frame. Throws a
   * MillraceError, PROTOCOL_VIOLATION, when the head of the frame cannot be read.
   */
  put(frame: Uint8Array, answer: (frame: Uint8Array) => void): void
  /** Answers when everything that was put so far is on disk. */
  flush(): Promise<void>
}
