/**
 * The first message of connections. When everybody comes back at once most of them get the same
 * one, and it is made once: packing it is a good part of what the broker does for a connection.
 */

import { encodeWelcome } from '../wire/frame.ts'

type Welcome = Parameters<typeof encodeWelcome>[0]

export class Welcomes {
  #fields: Welcome | undefined
  #bytes: Uint8Array = new Uint8Array()

  /** The bytes are shared: nobody may change them. */
  of(fields: Welcome): Uint8Array {
    if (this.#fields === undefined || !isSame(this.#fields, fields)) {
      this.#fields = fields
      this.#bytes = encodeWelcome(fields)
    }
    return this.#bytes
  }
}

function isSame(left: Welcome, right: Welcome): boolean {
  for (const name in left) {
    if (left[name as keyof Welcome] !== right[name as keyof Welcome]) return false
  }
  return true
}
