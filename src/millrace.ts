/** The broker in a program: the same operations as over a socket, and no socket. */

import { Broker, type BrokerOptions } from './broker/broker.ts'
// What needs an Exchange and no socket is the client's, and shared.
import { StreamVerbs } from './client/stream-verbs.ts'
import type { MillraceError } from './errors.ts'
import { frameBytesMax } from './limits.ts'
import { LocalExchange } from './local-exchange.ts'

export type MillraceOptions = Pick<
  BrokerOptions,
  'dir' | 'logOptions' | 'keyFile' | 'scaling' | 'onScaling'
>

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
  readonly #exchange: LocalExchange

  private constructor(broker: Broker, exchange: LocalExchange) {
    super(exchange, frameBytesMax)
    this.#broker = broker
    this.#exchange = exchange
  }

  /**
   * Opens a data directory; it is created when it is missing, its parent has to exist. Rejects:
   * LOG_LOCKED (in use), FORMAT_UNSUPPORTED, CATALOG_UNREADABLE (with nothing changed),
   * ACCESS_DENIED, DISK_FULL, LOG_FAILED, KEY_FILE_REFUSED.
   */
  static async open(options: MillraceOptions): Promise<Millrace> {
    const broker = await Broker.open(options)
    return new Millrace(broker, new LocalExchange(broker))
  }

  /** Resolves when the log has failed: nothing is acknowledged any more. Never rejects. */
  get failed(): Promise<MillraceError> {
    return this.#broker.failed
  }

  /** Reads the key file again. Rejects: KEY_FILE_REFUSED, with the keys left as they were. */
  async reloadKeys(): Promise<void> {
    await this.#broker.reloadKeys()
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
    this.#exchange.close()
    return this.#broker.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
