/**
 * Texts that the broker hands out and wants back unchanged: shard iterators and next tokens. They
 * can be read by anybody and made by nobody else; they survive a restart of the broker, and are
 * worth nothing to another data directory.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

const tagBytes = 12
const textPattern = /^[A-Za-z0-9_-]+$/

export class TokenSealer {
  readonly #key: Uint8Array

  /** `key` is a secret of the data directory. */
  constructor(key: Uint8Array) {
    this.#key = key
  }

  /** `purpose` keeps a token of one kind from being taken for one of another. */
  seal(purpose: string, payload: Uint8Array): string {
    return Buffer.concat([this.#tag(purpose, payload), payload]).toString('base64url')
  }

  /** What was sealed; undefined for a text that did not come from `seal`. */
  open(purpose: string, text: string): Uint8Array | undefined {
    if (!textPattern.test(text)) return undefined
    const bytes = Buffer.from(text, 'base64url')
    // One value has several spellings in Base64; only ours is taken.
    if (bytes.length < tagBytes || bytes.toString('base64url') !== text) return undefined
    const payload = bytes.subarray(tagBytes)
    const isOurs = timingSafeEqual(bytes.subarray(0, tagBytes), this.#tag(purpose, payload))
    return isOurs ? payload : undefined
  }

  #tag(purpose: string, payload: Uint8Array): Buffer {
    return createHmac('sha256', this.#key)
      .update(purpose)
      .update(payload)
      .digest()
      .subarray(0, tagBytes)
  }
}
