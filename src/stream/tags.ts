/** Which tags a stream can have. Pure. */

import { MillraceError } from '../errors.ts'
import type { Tag } from '../wire/operations.ts'

const allowedText = 'Unicode letters, digits, white space, _ . / = + - % @'
const separators = /[;,\p{Cc}]/u
const others = /[^\p{L}\p{N}\p{Zs}_./=+\-@:]/u

/**
 * Throws a MillraceError, INVALID_ARGUMENT, for characters that tags cannot have, for keys that
 * are reserved, and for a key that is there twice. `what` is done with them, in messages.
 */
export function checkTags(stream: string, tags: readonly Tag[], what: 'add' | 'remove'): void {
  const keys = new Set<string>()
  for (const { key, value } of tags) {
    if (separators.test(key) || separators.test(value)) {
      refuse(`Some tags contain invalid characters. Valid characters: ${allowedText}.`)
    }
    if (others.test(key) || others.test(value)) refuse(illegalCharacters(stream, what))
    if (what === 'add' && /^aws:/i.test(key)) {
      refuse(`The tag key ${key} is reserved: no key begins with aws:.`)
    }
    if (keys.has(key)) refuse(`The tag key ${key} is given twice.`)
    keys.add(key)
  }
}

function illegalCharacters(stream: string, what: 'add' | 'remove'): string {
  const where = what === 'add' ? 'to' : 'from'
  return (
    `Failed to ${what} tags ${where} stream ${stream} because some tags contained ` +
    `illegal characters. ` +
    `The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'.`
  )
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}
