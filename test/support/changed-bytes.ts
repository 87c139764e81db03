/** Small changes to good bytes: most of what a bug of an encoder, or an attacker, would send. */

export interface Change {
  /** Where, modulo the length. */
  readonly at: number
  readonly kind: (typeof changeKinds)[number]
  /** 0 to 255. */
  readonly value: number
}

export const changeKinds = ['set', 'type', 'insert', 'remove', 'cut'] as const

/** First bytes of values that decide what follows. */
export const typeBytes: readonly number[] = [
  0x90, 0x92, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc4, 0xc6, 0xcc, 0xcf, 0xd0, 0xd3, 0xd9, 0xdb, 0xdc,
  0xdd, 0xff,
]

export function changedBytes(
  bytes: Uint8Array,
  changes: readonly Change[],
): Uint8Array<ArrayBuffer> {
  let list = Array.from(bytes)
  for (const { at, kind, value } of changes) {
    const place = list.length === 0 ? 0 : at % list.length
    if (kind === 'set') list[place] = value
    else if (kind === 'type') list[place] = typeBytes[value % typeBytes.length] as number
    else if (kind === 'insert') list.splice(place, 0, value)
    else if (kind === 'remove') list.splice(place, 1 + (value % 4))
    else list = list.slice(0, place)
  }
  return Uint8Array.from(list)
}
