/** The token with which a client says who it is. */

import { MillraceError } from '../errors.ts'
import { tokenBytesMax } from '../limits.ts'

/**
 * A token, or what answers one: it is asked for each connection, and again before the token of an
 * open one expires. A connection waits for it; one that it rejects for is tried again.
 */
export type TokenSource = string | (() => string | Promise<string>)

/** What can stand in a header, and after `bearer.` among subprotocols. */
const tokenPattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** Rejects with what the source does; a MillraceError, UNAUTHENTICATED, for what is no token. */
export async function readToken(source: TokenSource): Promise<string> {
  const token = typeof source === 'string' ? source : await source()
  if (isToken(token)) return token
  throw new MillraceError(
    'UNAUTHENTICATED',
    `what was given is no token: those have 1 to ${tokenBytesMax} letters, digits, and . _ -`,
  )
}

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && text.length <= tokenBytesMax && tokenPattern.test(text)
}
