/** Whether a token may go where it would. Pure. */

import { MillraceError } from '../errors.ts'

/** Hosts as URLs write them: all of 127.0.0.0/8, in IPv6, too. */
const loopback = /^(?:localhost|\[::1\]|127(?:\.\d{1,3}){3}|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/

/** Whether everybody between here and the broker could read what goes to it. */
function isExposed({ protocol, hostname }: URL): boolean {
  return protocol === 'ws:' && !loopback.test(hostname)
}

/**
 * Throws a MillraceError, UNSAFE_ADDRESS, where a token would leave this machine in plain text, and
 * nobody has accepted that.
 */
export function checkTokenPath(url: string, accepted: boolean | undefined): void {
  const target = new URL(url)
  if (accepted === true || !isExposed(target)) return
  throw new MillraceError(
    'UNSAFE_ADDRESS',
    `the token would go to ${target.host} in plain text, for everybody on the way to read: ` +
      'use wss://, or accept that with insecurePlainToken (--insecure-plain-token)',
  )
}
