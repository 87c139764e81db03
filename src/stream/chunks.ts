/** Cutting what is too long for one record of the catalog. */

export function* chunks<Element>(elements: readonly Element[], size: number): Iterable<Element[]> {
  for (let at = 0; at < elements.length; at += size) yield elements.slice(at, at + size)
}
