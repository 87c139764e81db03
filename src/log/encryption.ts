/** Keys, and what is encrypted with them. */

import { InvalidTypeError, InvalidValueError } from '../errors.ts'
import { checkBytes, describe } from '../wire/arguments.ts'
import type { NativeLogHandle } from './binding.ts'

/** A key of 32 bytes; its id is 1 to 64 letters, digits, `.`, `_` and `-`. */
export interface MasterKey {
  readonly id: string
  readonly bytes: Uint8Array
}

/** Names a key, and tells it from another one that somebody has given the same id. */
export interface KeyName {
  readonly id: string
  readonly check: bigint
}

export const masterKeyBytes = 32
const idBytesMax = 64

/**
 * Gives them to native. Throws a TypeError or a RangeError, which say nothing of the bytes of a
 * key, and what native throws.
 */
export function setKeys(handle: NativeLogHandle, keys: readonly MasterKey[]): readonly KeyName[] {
  const table = encodeKeys(keys)
  try {
    const checks = handle.setKeys(table)
    return keys.map(({ id }, i) => ({ id, check: checks[i] as bigint }))
  } finally {
    table.fill(0)
  }
}

/** Keys in the form in which native takes them; to be overwritten after use. */
function encodeKeys(keys: readonly MasterKey[]): Uint8Array<ArrayBuffer> {
  const ids = keys.map(({ id }) => encodeId(id))
  const bytes = ids.reduce((sum, id) => sum + 1 + id.length + masterKeyBytes, 0)
  const table = new Uint8Array(bytes)
  let at = 0
  keys.forEach((key, i) => {
    const id = ids[i] as Uint8Array
    checkBytes('bytes of the key', key.bytes)
    if (key.bytes.length !== masterKeyBytes) {
      throw new InvalidValueError(`a key has ${masterKeyBytes} bytes, not ${key.bytes.length}`)
    }
    table[at] = id.length
    table.set(id, at + 1)
    table.set(key.bytes, at + 1 + id.length)
    at += 1 + id.length + masterKeyBytes
  })
  return table
}

function encodeId(id: unknown): Uint8Array {
  if (typeof id !== 'string') {
    throw new InvalidTypeError(`id of the key: wanted a string, got ${describe(id)}`)
  }
  const bytes = new TextEncoder().encode(id)
  if (bytes.length > idBytesMax) {
    throw new InvalidValueError(
      `an id of a key has at most ${idBytesMax} bytes, not ${bytes.length}`,
    )
  }
  return bytes
}
