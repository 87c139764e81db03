/** Lines of a stream of bytes, as bytes: what is no text is put as it is. */

import { CliError } from './exit-codes.ts'

const newline = 0x0a

/**
 * The lines without their newlines; the last one may lack it. Throws a CliError, USAGE, for a line
 * of more than `bytesMax`, which names its number: what has no newline must not fill the memory.
 */
export async function* linesOf(
  source: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = []
  let held = 0
  let number = 1
  const hold = (part: Uint8Array) => {
    held += part.length
    if (held > bytesMax) {
      throw new CliError('USAGE', `line ${number} has more than ${bytesMax} bytes`, {
        hint: 'A line is a record: split it, or put the whole as one record with --whole.',
      })
    }
    parts.push(part)
  }
  for await (const chunk of source) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(newline, start)
      if (end < 0) break
      hold(chunk.subarray(start, end))
      yield joined(parts, held)
      parts = []
      held = 0
      number += 1
      start = end + 1
    }
    if (start < chunk.length) hold(chunk.subarray(start))
  }
  if (held > 0) yield joined(parts, held)
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  return Buffer.concat(parts, bytes)
}
