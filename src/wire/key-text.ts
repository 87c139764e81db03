/** Partition keys as text. */

// Not the default, which would swallow a byte order mark at the start of a key.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** So many characters are put together at once, in less time than a call of the decoder takes. */
const shortBytes = 16

/** The text of `length` bytes from `at` on. */
export function keyText(bytes: Uint8Array, at: number, length: number): string {
  if (length <= shortBytes && at + shortBytes <= bytes.length && isAscii(bytes, at, length)) {
    const text = sixteenCharacters(bytes, at)
    return length === shortBytes ? text : text.slice(0, length)
  }
  return decoder.decode(bytes.subarray(at, at + length))
}

function isAscii(bytes: Uint8Array, at: number, length: number): boolean {
  let seen = 0
  for (let i = at; i < at + length; i += 1) seen |= bytes[i] as number
  return seen < 0x80
}

/** One call: a text that grows by a character at a time takes three times as long. */
function sixteenCharacters(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(
    bytes[at] as number,
    bytes[at + 1] as number,
    bytes[at + 2] as number,
    bytes[at + 3] as number,
    bytes[at + 4] as number,
    bytes[at + 5] as number,
    bytes[at + 6] as number,
    bytes[at + 7] as number,
    bytes[at + 8] as number,
    bytes[at + 9] as number,
    bytes[at + 10] as number,
    bytes[at + 11] as number,
    bytes[at + 12] as number,
    bytes[at + 13] as number,
    bytes[at + 14] as number,
    bytes[at + 15] as number,
  )
}
