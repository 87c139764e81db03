/** What becomes of a request of a producer that failed, and of records that were refused. Pure. */

import { type ErrorCode, MillraceError } from '../errors.ts'

/**
 * `repeat`: the same request again, later. `split`: a record is at fault, and nothing was put: its
 * halves go on. `refuse`: the records are given up.
 */
export type RequestVerdict = 'repeat' | 'split' | 'refuse'

/** After these nobody knows whether the records are stored. */
const inDoubt = new Set<ErrorCode>(['LOG_FAILED', 'INTERNAL'])
/** These can be the fault of one record. */
const ofOneRecord = new Set<ErrorCode>(['RECORD_TOO_LARGE', 'INVALID_ARGUMENT'])

export function judgeRequest(
  error: unknown,
  { idempotent, recordCount }: { readonly idempotent: boolean; readonly recordCount: number },
): RequestVerdict {
  if (!(error instanceof MillraceError)) return 'refuse'
  const { code, retryable } = error
  if (ofOneRecord.has(code) && recordCount > 1) return 'split'
  // The connection has sent it again as often as it makes sense; a broker in this process that
  // closes does not come back.
  if (!retryable || code === 'CONNECTION_LOST' || code === 'SERVER_CLOSING') return 'refuse'
  return idempotent || !inDoubt.has(code) ? 'repeat' : 'refuse'
}

/** Whether a record that one shard refused with this, and has not stored, is tried again. */
export function isTriedAgain({ code, retryable }: MillraceError): boolean {
  // The shard was split or merged: the next request is routed to those that follow it.
  return retryable || code === 'SHARD_CLOSED'
}
