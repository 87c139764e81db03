/** The broker in a program: the same operations as over a socket, and no socket. */

import { Broker, type BrokerOptions } from './broker/broker.ts'
// What needs an Exchange and no socket is the client's, and shared.
import { systemClock } from './client/clock.ts'
import { Patience } from './client/patience.ts'
import { StreamVerbs } from './client/stream-verbs.ts'
import type { MillraceError } from './errors.ts'
import { frameBytesMax } from './limits.ts'
import { checkRequest, decodeBrokerFrame } from './wire/frame.ts'
import type { AnswerOf, Operation, RequestOf } from './wire/operations.ts'
import type { Exchange, ExchangeOptions } from './wire/verbs.ts'

export type MillraceOptions = Pick<BrokerOptions, 'dir' | 'logOptions'>

/** Carries requests to a broker in the same process. */
class LocalExchange implements Exchange {
  readonly #broker: Broker

  constructor(broker: Broker) {
    this.#broker = broker
  }

  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    options.signal?.throwIfAborted()
    const checked = checkRequest(operation, request)
    return await withPatience(this.#broker.call(operation, checked), operation.name, options)
  }

  async put(
    makeFrame: (requestId: number) => Uint8Array,
    options: ExchangeOptions,
  ): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const frame = makeFrame(0)
    const answered = new Promise<Uint8Array>((resolve) => this.#broker.put(frame, resolve))
    const answer = await withPatience(answered, 'a put', options)
    const decoded = decodeBrokerFrame(answer)
    if (decoded.kind === 'error') throw decoded.error
    return answer
  }
}

/** What comes first: the answer, or the end of the caller's patience. */
async function withPatience<Answer>(
  answer: Promise<Answer>,
  name: string,
  options: ExchangeOptions,
): Promise<Answer> {
  if (options.signal === undefined && options.timeoutMillis === undefined) return await answer
  const patience = new Patience(systemClock, name, options)
  const over = new Promise<never>((_, reject) => patience.begin(reject))
  return await Promise.race([answer, over]).finally(() => patience.end())
}

/**
 * ```ts
 * await using millrace = await Millrace.open({ dir: './millrace-data' })
 * await millrace.createStream('orders')
 * await millrace.put('orders', { key: 'customer-7', data })
 * ```
 *
 * It never ends the process, and takes no signals of it.
 */
export class Millrace extends StreamVerbs implements AsyncDisposable {
  readonly #broker: Broker

  private constructor(broker: Broker) {
    super(new LocalExchange(broker), frameBytesMax)
    this.#broker = broker
  }

  /**
   * Opens a data directory; it is created when it is missing, its parent has to exist. Rejects:
   * LOG_LOCKED (in use), FORMAT_UNSUPPORTED, CATALOG_UNREADABLE (with nothing changed),
   * ACCESS_DENIED, DISK_FULL, LOG_FAILED.
   */
  static async open(options: MillraceOptions): Promise<Millrace> {
    return new Millrace(await Broker.open(options))
  }

  /** Resolves when the log has failed: nothing is acknowledged any more. Never rejects. */
  get failed(): Promise<MillraceError> {
    return this.#broker.failed
  }

  /** Answers when everything that was put so far is on disk. */
  async flush(): Promise<void> {
    await this.#broker.flush()
  }

  /**
   * Answers what waits for its acknowledgement, and lets go of the directory; later calls reject
   * with SERVER_CLOSING. Rejects with LOG_FAILED when the last of it did not get onto the disk.
   */
  close(): Promise<void> {
    return this.#broker.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
