/**
 * MillraceError and the one table of its codes. The log core raises the same codes
 * (native/base/status.h); a test compares the two lists. Imports nothing.
 */

/** What is known about a code before anything has failed. */
export interface ErrorRow {
  /** What happened, where the place of the error says nothing more exact. */
  readonly message: string
  /** Whether the same call may succeed later without anybody changing anything about it. */
  readonly retryable: boolean
  /** What to do about it. */
  readonly hint: string
}

/** A stable name of what went wrong. Codes are added, never renamed. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'SHARD_NOT_FOUND'
  | 'SHARD_CLOSED'
  | 'SEQUENCE_NUMBER_TRIMMED'
  | 'SEQUENCE_NUMBER_IN_FUTURE'
  | 'RECORD_TOO_LARGE'
  | 'PRODUCER_SEQUENCE_GAP'
  | 'ACCESS_DENIED'
  | 'WRITER_FENCED'
  | 'DISK_FULL'
  | 'LOG_FAILED'
  | 'LOG_CORRUPT'
  | 'LOG_LOCKED'
  | 'LOG_CLOSED'
  | 'FORMAT_UNSUPPORTED'
  | 'CATALOG_UNREADABLE'
  | 'LIMIT_EXCEEDED'
  | 'PROTOCOL_VIOLATION'
  | 'INTERNAL'

/** Every code with its row. */
export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = {
  INVALID_ARGUMENT: {
    message: 'an argument is out of its bounds',
    retryable: false,
    hint: 'Correct the field that the message names.',
  },
  SHARD_NOT_FOUND: {
    message: 'there is no shard with this id',
    retryable: false,
    hint: 'Ask for the list of shards again; ids of shards are never reused.',
  },
  SHARD_CLOSED: {
    message: 'the shard is closed and takes no more records',
    retryable: false,
    hint: 'Ask for the routes again and append to the shards that replaced it.',
  },
  SEQUENCE_NUMBER_TRIMMED: {
    message: 'the sequence number lies below the trim horizon',
    retryable: false,
    hint: 'Continue at the trim horizon; the records before it are gone.',
  },
  SEQUENCE_NUMBER_IN_FUTURE: {
    message: 'the sequence number lies beyond the last committed record',
    retryable: false,
    hint: 'Read from a sequence number that this shard has answered.',
  },
  RECORD_TOO_LARGE: {
    message: 'the record is larger than the stream allows',
    retryable: false,
    hint: 'Split the record, or raise the record size of the stream.',
  },
  PRODUCER_SEQUENCE_GAP: {
    message: 'an idempotent producer skipped a sequence number, or repeated one that is too old',
    retryable: false,
    hint: 'Send the batches of a producer in order; after a gap start with a new producer id.',
  },
  ACCESS_DENIED: {
    message: 'the operation is not permitted',
    retryable: false,
    hint: 'Run as the owner of the data directory, on a file system that is mounted writable.',
  },
  WRITER_FENCED: {
    message: 'a newer writer has taken the shard over',
    retryable: false,
    hint: 'Stop this writer: another one with a higher epoch owns the shard.',
  },
  DISK_FULL: {
    message: 'the file system of the data directory is full',
    retryable: true,
    hint: 'Free space or trim; reads and trims go on, appends resume by themselves.',
  },
  LOG_FAILED: {
    message: 'a write or a sync failed, and what was not acknowledged before it is in doubt',
    retryable: true,
    hint: 'Check the disk, then open the log again; nothing is acknowledged until then.',
  },
  LOG_CORRUPT: {
    message: 'a batch on disk is damaged and is not served',
    retryable: false,
    hint: 'Read on at the end of the range; everything outside of it is served.',
  },
  LOG_LOCKED: {
    message: 'the data directory is in use by another process',
    retryable: false,
    hint: 'Close the process that has it open, or open another directory.',
  },
  LOG_CLOSED: {
    message: 'the log is closed',
    retryable: false,
    hint: 'Open it again.',
  },
  FORMAT_UNSUPPORTED: {
    message: 'the data directory was written by a newer version',
    retryable: false,
    hint: 'Open it with that version or a later one.',
  },
  CATALOG_UNREADABLE: {
    message: 'the catalog of the data directory cannot be read',
    retryable: false,
    hint: 'Restore the directory from a copy; nothing was changed in it.',
  },
  LIMIT_EXCEEDED: {
    message: 'a limit of the machine or of the configuration is reached',
    retryable: true,
    hint: 'Wait, or raise the limit that the message names.',
  },
  PROTOCOL_VIOLATION: {
    message: 'the frame cannot be decoded or breaks a rule of the protocol',
    retryable: false,
    hint: 'This is a bug of whoever encoded the frame.',
  },
  INTERNAL: {
    message: 'an internal error',
    retryable: true,
    hint: 'This is a bug of Millrace; please report it with its message.',
  },
}

/** Positions of a shard's log that an error is about: from `start` up to, not including, `end`. */
export interface ErrorRange {
  readonly start: bigint
  readonly end: bigint
}

export interface ErrorDetails {
  readonly range?: ErrorRange | undefined
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/** The one class of operating errors. Misuse of a function is a TypeError or RangeError instead. */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly hint: string
  /** How long to wait before the next try, where waiting helps and the time is known. */
  declare readonly retryAfterMs?: number
  /** Where in the log, where the error is about a place. */
  declare readonly range?: ErrorRange

  /** Without a `message` the error says what the table says. */
  constructor(code: ErrorCode, message?: string, details: ErrorDetails = {}) {
    const row = errorTable[code]
    super(message ?? row.message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.retryable = row.retryable
    this.hint = row.hint
    if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs
    if (details.range !== undefined) this.range = details.range
  }

  static {
    // On the prototype, as the names of the built-in errors are: it is no property of each error.
    Object.defineProperty(MillraceError.prototype, 'name', { value: 'MillraceError' })
  }
}
