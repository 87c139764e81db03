/**
 * With which key the records of a stream are encrypted on disk, as users call it: a part of the
 * verbs, and verbs.ts says what they have in common.
 */

import { startStreamEncryption, stopStreamEncryption } from './encryption-operations.ts'
import type { CallOptions, Exchange } from './exchange.ts'
import { MonitoringVerbs } from './monitoring-verbs.ts'

export class EncryptionVerbs extends MonitoringVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    super(exchange)
    this.#exchange = exchange
  }

  /**
   * Encrypts the records of a stream from now on, with a key of the key file of the broker; those
   * that are there stay as they are. With another key it goes on with that one. The stream is
   * UPDATING when this answers, and soon ACTIVE. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE (not
   * ACTIVE), KEY_NOT_FOUND, KEY_MISMATCH, KEY_FILE_REFUSED, ENCRYPTION_UNAVAILABLE, LIMIT_EXCEEDED
   * (25 changes within 24 hours), DISK_FULL, LOG_FAILED.
   */
  async startStreamEncryption(
    streamName: string,
    keyId: string,
    options: CallOptions = {},
  ): Promise<void> {
    const request = { streamName, encryptionType: 'KMS', keyId } as const
    await this.#exchange.call(startStreamEncryption, request, { ...options, repeatable: false })
  }

  /**
   * Encrypts nothing more; what is encrypted stays so, and is read while its key is in the key
   * file. Rejects also: INVALID_ARGUMENT, where `keyId` is not the key of the stream.
   */
  async stopStreamEncryption(
    streamName: string,
    keyId: string,
    options: CallOptions = {},
  ): Promise<void> {
    const request = { streamName, encryptionType: 'KMS', keyId } as const
    await this.#exchange.call(stopStreamEncryption, request, { ...options, repeatable: false })
  }
}
