/** The keys of the key file, as the log has them. */

import { MillraceError } from '../errors.ts'
import type { KeyName, Log } from '../log/log.ts'
import type { KeySource } from '../stream/stream-encryption.ts'
import { readKeyFile } from './key-file.ts'
import { asMillraceError } from './stream-errors.ts'

/** Keys that a message names. */
const idsNamedMax = 10

export class Keyring implements KeySource {
  readonly #log: Pick<Log, 'setKeys'>
  readonly #path: string | undefined
  readonly #names = new Map<string, KeyName>()
  /** Why there are no keys, although there is a file. */
  #unavailable: MillraceError | undefined
  #reloading: Promise<void> = Promise.resolve()

  /** Rejects: KEY_FILE_REFUSED. */
  static async open(log: Pick<Log, 'setKeys'>, path: string | undefined): Promise<Keyring> {
    const keyring = new Keyring(log, path)
    await keyring.reload()
    return keyring
  }

  private constructor(log: Pick<Log, 'setKeys'>, path: string | undefined) {
    this.#log = log
    this.#path = path
  }

  get size(): number {
    return this.#names.size
  }

  /** One after the other, so that the last one has the last word. */
  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => undefined)
    return reloaded
  }

  async #reload(): Promise<void> {
    if (this.#path === undefined) return
    const keys = await readKeyFile(this.#path)
    try {
      const names = this.#log.setKeys(keys)
      this.#unavailable = undefined
      this.#names.clear()
      for (const name of names) this.#names.set(name.id, name)
    } catch (error) {
      const reason = asMillraceError(error)
      if (reason.code !== 'ENCRYPTION_UNAVAILABLE') throw reason
      // Streams that are not encrypted have nothing to do with it.
      this.#unavailable = reason
    } finally {
      for (const { bytes } of keys) bytes.fill(0)
    }
  }

  require(keyId: string): KeyName {
    if (this.#unavailable !== undefined) throw this.#unavailable
    const name = this.#names.get(keyId)
    if (name !== undefined) return name
    throw new MillraceError('KEY_NOT_FOUND', this.#neverMade(keyId))
  }

  /** Why nothing can be encrypted with the key of a stream; undefined where it can. */
  refusal(streamName: string, key: KeyName): MillraceError | undefined {
    const name = this.#names.get(key.id)
    if (name?.check === key.check) return undefined
    if (this.#unavailable !== undefined) return this.#unavailable
    const text = `Stream ${streamName} is encrypted with key ${key.id}, `
    if (name !== undefined) {
      const other = `and ${this.#path} has another key under this id. Put back the one that had it.`
      return new MillraceError('KEY_MISMATCH', text + other)
    }
    return new MillraceError('KEY_NOT_FOUND', `${text}and: ${this.#notFound(key.id)}`)
  }

  #neverMade(keyId: string): string {
    if (this.#path === undefined) return this.#notFound(keyId)
    const ids = [...this.#names.keys()]
    const more = ids.length > idsNamedMax ? ` and ${ids.length - idsNamedMax} more` : ''
    const has = ids.length === 0 ? 'no keys' : ids.slice(0, idsNamedMax).join(', ') + more
    return (
      `${this.#path} (keyFile, --key-file) has no key ${keyId}; it has ${has}. ` +
      `Make it with: millrace key new ${keyId} --key-file ${this.#path}`
    )
  }

  /** Of a key that was there once. */
  #notFound(keyId: string): string {
    return this.#path === undefined
      ? `there is no key ${keyId}, as no key file is set: set keyFile (--key-file, ` +
          'MILLRACE_KEY_FILE).'
      : `${this.#path} (keyFile, --key-file) has no key ${keyId}: add its line, and reload.`
  }
}
