/** Errors that several requests answer. */

import { MillraceError } from '../errors.ts'

export function streamNotFound(streamName: string): MillraceError {
  return new MillraceError('STREAM_NOT_FOUND', `Stream ${streamName} not found.`)
}

/** The error of what is no MillraceError is a bug. */
export function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MillraceError('INTERNAL', `internal error: ${text}`, { cause: error })
}
