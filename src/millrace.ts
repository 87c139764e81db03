/** The broker in a program: the same operations as over a socket, and no socket. */

import { Broker, type BrokerOptions } from './broker/broker.ts'
// A producer and a reader need an Exchange and no socket: they are the client's, and shared.
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
    { signal }: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    signal?.throwIfAborted()
    const checked = checkRequest(operation, request)
    return await orAborted(this.#broker.call(operation, checked), signal)
  }

  async put(
    makeFrame: (requestId: number) => Uint8Array,
    { signal }: ExchangeOptions,
  ): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const frame = makeFrame(0)
    const answered = new Promise<Uint8Array>((resolve) => this.#broker.put(frame, resolve))
    const answer = await orAborted(answered, signal)
    const decoded = decodeBrokerFrame(answer)
    if (decoded.kind === 'error') throw decoded.error
    return answer
  }
}

/** What comes first: the answer, or the reason of the signal. */
async function orAborted<Answer>(
  answer: Promise<Answer>,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  if (signal === undefined) return await answer
  return await new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
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

  /** Resolves when a write or a sync has failed: nothing is acknowledged any more. Never rejects. */
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
