/** Room for clients that connect while the event loop is busy with others. */

import { raiseListenBacklog } from '../log/listen-backlog.ts'
import { errorFacts, type Logger } from './logger.ts'

/**
 * As many as the system allows may wait at this port. The library asks for 512 and has no word for
 * more; of thousands that come back at once the system drops the rest, who ask again a second
 * later, and again.
 */
export function raiseListenBacklogOrWarn(port: number, logger: Logger): void {
  const text = 'no more than 512 clients can connect at once: some will wait for a second or more'
  try {
    if (!raiseListenBacklog(port)) logger.warn({ port, reason: 'no /dev/fd' }, text)
  } catch (error) {
    logger.warn({ port, ...errorFacts(error) }, text)
  }
}
