/** A connection is lost, and none follows it. */

import { MillraceError } from '../errors.ts'

/** Rejects everything of a client that was told not to connect again: waiting heals nothing. */
export class ConnectionEndedError extends MillraceError {
  constructor(message: string) {
    super('CONNECTION_LOST', message)
  }
}
