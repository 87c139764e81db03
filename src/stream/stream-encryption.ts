/**
 * With which key the records of a stream are encrypted: told to the log at once, and kept in the
 * catalog. The stream is UPDATING when a change is answered, and soon ACTIVE, as after any change
 * of it.
 */

import { MillraceError } from '../errors.ts'
import { encryptionChangesMax } from '../limits.ts'
import type { KeyName } from '../log/log.ts'
import { oneMore } from './daily-limit.ts'
import { encryptionRecord } from './setting-records.ts'
import type { Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'

/** The keys that there are. */
export interface KeySource {
  /** Looks the key file up anew. Rejects: KEY_FILE_REFUSED; the keys are then those of before. */
  reload(): Promise<void>
  /** Throws a MillraceError: KEY_NOT_FOUND, ENCRYPTION_UNAVAILABLE. */
  require(keyId: string): KeyName
}

export class StreamEncryption {
  readonly #host: StreamHost
  readonly #keys: KeySource

  constructor(host: StreamHost, keys: KeySource) {
    this.#host = host
    this.#keys = keys
  }

  /**
   * Rejects: STREAM_NOT_FOUND, STREAM_IN_USE (not ACTIVE), KEY_NOT_FOUND, KEY_MISMATCH,
   * KEY_FILE_REFUSED, ENCRYPTION_UNAVAILABLE, LIMIT_EXCEEDED, DISK_FULL, LOG_FAILED.
   */
  async start(streamName: string, keyId: string): Promise<void> {
    this.#host.requireActive(streamName)
    await this.#keys.reload()
    await this.#change(streamName, ({ encryption }) => {
      const key = this.#keys.require(keyId)
      if (encryption?.id === key.id && encryption.check !== key.check) {
        throw new MillraceError(
          'KEY_MISMATCH',
          `Key ${keyId} of the key file is another one than that of stream ${streamName}, ` +
            'whose records would not be read any more. Put the one back that had this id, ' +
            'or start the encryption with a new key under an id of its own.',
        )
      }
      return key
    })
  }

  /** Rejects: STREAM_NOT_FOUND, STREAM_IN_USE, INVALID_ARGUMENT, LIMIT_EXCEEDED, ... */
  async stop(streamName: string, keyId: string): Promise<void> {
    await this.#change(streamName, ({ encryption }) => {
      if (encryption === undefined || encryption.id === keyId) return undefined
      throw new MillraceError(
        'INVALID_ARGUMENT',
        `Stream ${streamName} is encrypted with key ${encryption.id}, not with ${keyId}.`,
      )
    })
  }

  /** Nothing happens where `decide` answers the key that it is encrypted with. */
  async #change(
    streamName: string,
    decide: (stream: Stream) => KeyName | undefined,
  ): Promise<void> {
    let changed: number | undefined
    await this.#host.catalog.change(() => {
      const stream = this.#host.requireActive(streamName)
      const encryption = decide(stream)
      if (encryption?.id === stream.encryption?.id) return []
      const encryptionChanges = oneMore(stream.encryptionChanges, this.#host.now(), {
        max: encryptionChangesMax,
        what: `The encryption of stream ${streamName} was changed`,
        consequence: 'it stays as it is',
      })
      changed = stream.number
      return [
        encryptionRecord({ ...stream, encryption, encryptionChanges }),
        { kind: 'statusSet', streamNumber: stream.number, status: 'UPDATING' },
      ]
    })
    if (changed !== undefined) {
      this.#host.changed(changed)
      this.#host.startWork(changed)
    }
  }
}
