import { expect, it } from 'vitest'
import { exitCodeOf } from '../../../src/cli/exit-codes.ts'
import type { ErrorCode } from '../../../src/errors.ts'

it.each([
  ['INVALID_ARGUMENT', 2],
  ['STREAM_NOT_FOUND', 3],
  ['SHARD_NOT_FOUND', 3],
  ['CONSUMER_NOT_FOUND', 3],
  ['ACCESS_DENIED', 4],
  ['STREAM_EXISTS', 5],
  ['CONSUMER_EXISTS', 5],
  ['CONSUMER_IN_USE', 5],
  ['LEASE_LOST', 5],
  ['LOG_LOCKED', 5],
  ['CONNECTION_LOST', 6],
  ['SERVER_CLOSING', 6],
  ['LOG_CORRUPT', 7],
  ['INTERNAL', 70],
  ['LOG_FAILED', 74],
  ['UNSAFE_ADDRESS', 78],
  ['THROUGHPUT_EXCEEDED', 1],
] satisfies [ErrorCode, number][])('%s ends a command with %i', (code, status) => {
  expect(exitCodeOf(code).status).toBe(status)
})
