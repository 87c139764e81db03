/** The token with which a client says who it is. */

import { MillraceError } from '../errors.ts'
import { tokenBytesMax } from '../limits.ts'
import { type Timer, timerMillisMax } from './clock.ts'

/**
 * A token, or what answers one: it is asked for each connection, and again before the token of an
 * open one expires. A connection waits for it, for as long as it may take to connect; one that it
 * rejects for, or that the broker refuses its token, is tried again.
 */
export type TokenSource = string | (() => string | Promise<string>)

/** What can stand in a header, and after `bearer.` among subprotocols. */
const tokenPattern = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/

/** As Clock has it. */
type After = (millis: number, action: () => void) => Pick<Timer, 'cancel'>

/**
 * Rejects with what the source does; a MillraceError: UNAUTHENTICATED for what is no token,
 * CONNECTION_LOST where a function has answered none within `millisMax`.
 */
export async function readToken(
  source: TokenSource,
  after: After,
  millisMax: number,
): Promise<string> {
  const token = typeof source === 'string' ? source : await inTime(source, after, millisMax)
  if (isToken(token)) return token
  throw new MillraceError(
    'UNAUTHENTICATED',
    `what was given is no token: those have 1 to ${tokenBytesMax} letters, digits, and . _ -`,
  )
}

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && text.length <= tokenBytesMax && tokenPattern.test(text)
}

/** What the function answers later than that is not heard any more. */
async function inTime(
  source: () => string | Promise<string>,
  after: After,
  millisMax: number,
): Promise<string> {
  let timer: Pick<Timer, 'cancel'> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = after(Math.min(millisMax, timerMillisMax), () => reject(noAnswer(millisMax)))
  })
  try {
    return await Promise.race([source(), late])
  } finally {
    timer?.cancel()
  }
}

function noAnswer(millisMax: number): MillraceError {
  const text =
    `the token function has answered nothing for ${millisMax} ms (connectTimeoutMillis); ` +
    'it should give up by itself sooner'
  return new MillraceError('CONNECTION_LOST', text)
}
