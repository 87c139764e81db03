/** On whose behalf something is done, and what they may do. Decided for every message. */

import { MillraceError } from '../errors.ts'

/** What can be allowed on a stream. */
export const actions = ['put', 'get', 'subscribe', 'admin'] as const
export type Action = (typeof actions)[number]

/** A set of actions, one bit for each, in the order of `actions`. */
export type Rights = number

export const noRights: Rights = 0

export function rightsOf(names: readonly Action[]): Rights {
  return names.reduce((rights, name) => rights | (1 << actions.indexOf(name)), noRights)
}

export const allRights: Rights = rightsOf(actions)

export interface Caller {
  /** What is allowed on a stream, whether it exists or not. One lookup: it is asked every time. */
  rightsOn(streamName: string): Rights
  /** Whether anything is allowed on any stream. */
  readonly hasRights: boolean
  /** Told of what was refused; a stream is named where the operation is about one. */
  denied(operation: string, streamName: string | undefined): void
}

/** Who embeds the broker, and everybody where nobody is asked who they are. */
export const anyone: Caller = {
  rightsOn: () => allRights,
  hasRights: true,
  denied: () => undefined,
}

function wanted(rights: Rights): string {
  return actions.filter((_, index) => (rights & (1 << index)) !== 0).join(' or ')
}

/**
 * Throws a MillraceError, ACCESS_DENIED, unless the caller has one of `rights` on the stream. The
 * same for a stream that does not exist: names are nobody's business.
 */
export function requireRight(
  caller: Caller,
  rights: Rights,
  operation: string,
  streamName: string,
): void {
  if ((caller.rightsOn(streamName) & rights) !== 0) return
  throw denial(caller, rights, operation, streamName)
}

export function denial(
  caller: Caller,
  rights: Rights,
  operation: string,
  streamName: string,
): MillraceError {
  caller.denied(operation, streamName)
  return new MillraceError(
    'ACCESS_DENIED',
    `${operation} on stream ${streamName} takes the permission to ${wanted(rights)}`,
  )
}
