/** How many connections wait for a server that is busy, before the system drops those that come. */

import { binding } from './binding.ts'

/** More than any system allows: each takes its own bound instead, Linux `net.core.somaxconn`. */
const most = 65_535

/**
 * Raises it for the sockets of this process that listen on a port, whoever opened them. Answers
 * whether there is one: none is found where /dev/fd cannot be listed. Throws a MillraceError:
 * INVALID_ARGUMENT for what is no port, INTERNAL when the system refuses.
 */
export function raiseListenBacklog(port: number): boolean {
  return binding.setListenBacklog(port, most) > 0
}
