/** Keys that stand in front of the data of their records. */

import type { RecordInput } from '../wire/verbs.ts'
import { CliError } from './exit-codes.ts'

/**
 * Cuts at the first `separator`. Throws a CliError, USAGE, that names `place`, where there is none,
 * and where what stands before it is no key.
 */
export function splitKey(bytes: Uint8Array, separator: string, place: string): RecordInput {
  const mark = Buffer.from(separator)
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = whole.indexOf(mark)
  if (at <= 0) {
    throw new CliError('USAGE', `${place} has no key before "${separator}"`, {
      hint: `Each record looks like: customer-7${separator}hello`,
    })
  }
  return { key: whole.toString('utf8', 0, at), data: whole.subarray(at + mark.length) }
}
