/** What carries requests and answers: a socket, or a broker in the same process. */

import type { AnswerOf, Operation, RequestOf } from './operation.ts'

export interface CallOptions {
  /** Gives the call up: it rejects with the signal's reason, and its answer is dropped. */
  readonly signal?: AbortSignal | undefined
  /**
   * How long to wait for the answer, in ms; the client's `timeoutMillis` unless it is given, and as
   * long as it takes with Infinity.
   */
  readonly timeoutMillis?: number | undefined
}

export interface ExchangeOptions extends CallOptions {
  /** Whether it may be carried out twice: it is then sent again on a new connection. */
  readonly repeatable: boolean
}

/** What carries requests to a broker and answers back. */
export interface Exchange {
  /** Any operation but the puts. Rejects with a MillraceError. */
  call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
  ): Promise<AnswerOf<Op>>
  /**
   * A put. `makeFrame` encodes it under the request id that it gets; it is called once, and its
   * bytes must stay unchanged until the promise is settled. Answers the frame of an answer whose
   * status is nil; rejects with a MillraceError for an error answer.
   */
  put(makeFrame: (requestId: number) => Uint8Array, options: ExchangeOptions): Promise<Uint8Array>
}
