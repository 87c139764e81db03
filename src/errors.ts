/**
 * MillraceError and the one table of its codes. The log core raises some of them
 * (native/base/status.h), the protocol carries all of them (src/wire/PROTOCOL.md); tests compare
 * the lists. Imports nothing.
 */

/** What is known about a code before anything has failed. */
export interface ErrorRow {
  /** What happened, where the place of the error says nothing more exact. */
  readonly message: string
  /** Whether the same call may succeed later without anybody changing anything about it. */
  readonly retryable: boolean
  /** What to do about it. */
  readonly hint: string
  /** The error of Kinesis that it stands for, without "Exception", where there is one. */
  readonly kind?: string
}

/** A stable name of what went wrong. Codes are added, never renamed. */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'STREAM_NOT_FOUND'
  | 'STREAM_EXISTS'
  | 'STREAM_IN_USE'
  | 'SHARD_NOT_FOUND'
  | 'SHARD_CLOSED'
  | 'SEQUENCE_NUMBER_TRIMMED'
  | 'SEQUENCE_NUMBER_IN_FUTURE'
  | 'ITERATOR_EXPIRED'
  | 'NEXT_TOKEN_EXPIRED'
  | 'THROUGHPUT_EXCEEDED'
  | 'RECORD_TOO_LARGE'
  | 'PRODUCER_SEQUENCE_GAP'
  | 'CONSUMER_NOT_FOUND'
  | 'CONSUMER_EXISTS'
  | 'CONSUMER_IN_USE'
  | 'CHECKPOINT_REGRESSED'
  | 'LEASE_LOST'
  | 'ACCESS_DENIED'
  | 'UNAUTHENTICATED'
  | 'ACCESS_FILE_REFUSED'
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
  | 'KEY_NOT_FOUND'
  | 'KEY_MISMATCH'
  | 'KEY_FILE_REFUSED'
  | 'TLS_FILE_REFUSED'
  | 'ENCRYPTION_UNAVAILABLE'
  | 'UNSUPPORTED_VERSION'
  | 'SERVER_CLOSING'
  | 'ADDRESS_UNAVAILABLE'
  | 'UNSAFE_ADDRESS'
  | 'CONNECTION_LOST'
  | 'CLIENT_CLOSED'
  | 'INTERNAL'

/** Every code with its row. */
export const errorTable: Readonly<Record<ErrorCode, ErrorRow>> = {
  INVALID_ARGUMENT: {
    message: 'an argument is out of its bounds',
    retryable: false,
    hint: 'Correct the field that the message names.',
    kind: 'InvalidArgument',
  },
  STREAM_NOT_FOUND: {
    message: 'there is no stream with this name',
    retryable: false,
    hint: 'Create the stream, or list the streams to see their names.',
    kind: 'ResourceNotFound',
  },
  STREAM_EXISTS: {
    message: 'a stream with this name exists',
    retryable: false,
    hint: 'Choose another name, or delete the stream first.',
    kind: 'ResourceInUse',
  },
  STREAM_IN_USE: {
    message: 'the stream is not in a state that allows the operation',
    retryable: true,
    hint: 'Wait until the stream is ACTIVE; to delete one with consumers, deregister them first.',
    kind: 'ResourceInUse',
  },
  SHARD_NOT_FOUND: {
    message: 'there is no shard with this id',
    retryable: false,
    hint: 'Ask for the list of shards again; ids of shards are never reused.',
    kind: 'ResourceNotFound',
  },
  SHARD_CLOSED: {
    message: 'the shard is closed and takes no more records',
    retryable: false,
    hint: 'Ask for the routes again and append to the shards that replaced it.',
    kind: 'InvalidArgument',
  },
  SEQUENCE_NUMBER_TRIMMED: {
    message: 'the sequence number lies below the trim horizon',
    retryable: false,
    hint: 'Continue at the trim horizon; the records before it are gone.',
    kind: 'InvalidArgument',
  },
  SEQUENCE_NUMBER_IN_FUTURE: {
    message: 'the sequence number lies beyond the last committed record',
    retryable: false,
    hint: 'Read from a sequence number that this shard has answered.',
    kind: 'InvalidArgument',
  },
  ITERATOR_EXPIRED: {
    message: 'the shard iterator is older than 300 s',
    retryable: false,
    hint: 'Ask for a new iterator after the last sequence number that was read.',
    kind: 'ExpiredIterator',
  },
  NEXT_TOKEN_EXPIRED: {
    message: 'the next token is older than 300 s',
    retryable: false,
    hint: 'Begin the listing again.',
    kind: 'ExpiredNextToken',
  },
  THROUGHPUT_EXCEEDED: {
    message: 'the throughput of the shard is exceeded',
    retryable: true,
    hint: 'Wait as long as the answer says, spread the keys, or add shards.',
    kind: 'ProvisionedThroughputExceeded',
  },
  RECORD_TOO_LARGE: {
    message: 'the record is larger than the stream allows',
    retryable: false,
    hint: 'Split the record, or create the stream with larger records (recordBytesMax).',
    kind: 'InvalidArgument',
  },
  PRODUCER_SEQUENCE_GAP: {
    message: 'an idempotent producer skipped a sequence number, or repeated one that is too old',
    retryable: false,
    hint: 'Send the batches of a producer in order; after a gap start with a new producer id.',
    kind: 'InvalidArgument',
  },
  CONSUMER_NOT_FOUND: {
    message: 'the stream has no consumer with this name',
    retryable: false,
    hint: 'Register the consumer, or list the consumers of the stream to see their names.',
    kind: 'ResourceNotFound',
  },
  CONSUMER_EXISTS: {
    message: 'the stream has a consumer with this name',
    retryable: false,
    hint: 'Use the consumer that is there, or choose another name.',
    kind: 'ResourceInUse',
  },
  CONSUMER_IN_USE: {
    message: 'another subscription of the consumer reads the shard',
    retryable: true,
    hint: 'Wait as long as the answer says, or use a consumer of your own.',
    kind: 'ResourceInUse',
  },
  CHECKPOINT_REGRESSED: {
    message: 'the checkpoint lies before the one that is stored',
    retryable: false,
    hint: 'Go on from the checkpoint that is stored; to read again, use another consumer.',
  },
  LEASE_LOST: {
    message: 'another worker has the lease of the shard',
    retryable: false,
    hint: 'Stop working on the shard: its new owner goes on at the last checkpoint.',
  },
  ACCESS_DENIED: {
    message: 'the operation is not permitted',
    retryable: false,
    hint: 'Ask for the permission, or, of a data directory, run as its owner where it is writable.',
    kind: 'AccessDenied',
  },
  UNAUTHENTICATED: {
    message: 'the broker wants a token that it knows',
    retryable: false,
    hint: 'Give a token that is valid: token of connect, --token-file, or MILLRACE_TOKEN.',
    kind: 'UnrecognizedClient',
  },
  ACCESS_FILE_REFUSED: {
    message: 'the access file cannot be used',
    retryable: false,
    hint: 'Correct what the message names; the file is for its owner alone (chmod 600).',
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
    kind: 'InternalFailure',
  },
  LOG_FAILED: {
    message: 'a write or a sync failed, and what was not acknowledged before it is in doubt',
    retryable: true,
    hint: 'Check the disk, then open the log again; nothing is acknowledged until then.',
    kind: 'InternalFailure',
  },
  LOG_CORRUPT: {
    message: 'a batch on disk is damaged and is not served',
    retryable: false,
    hint: 'Read on at the end of the range; everything outside of it is served.',
    kind: 'InternalFailure',
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
    message: 'the data directory is of a newer version, or none of Millrace',
    retryable: false,
    hint: 'Open it with the version that wrote it or a later one, or choose another directory.',
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
    kind: 'LimitExceeded',
  },
  PROTOCOL_VIOLATION: {
    message: 'the frame cannot be decoded or breaks a rule of the protocol',
    retryable: false,
    hint: 'This is a bug of whoever encoded the frame.',
  },
  KEY_NOT_FOUND: {
    message: 'the key of the stream is not in the key file',
    retryable: false,
    hint: 'Put the key back into the file that keyFile (--key-file) names, and reload the broker.',
    kind: 'KMSNotFound',
  },
  KEY_MISMATCH: {
    message: 'the key file has another key under the id of that of the stream',
    retryable: false,
    hint: 'Put the key back that had this id; a new key gets an id of its own.',
    kind: 'KMSInvalidState',
  },
  KEY_FILE_REFUSED: {
    message: 'the key file cannot be used',
    retryable: false,
    hint: 'Correct the line that the message names; the file is for its owner alone (chmod 600).',
    kind: 'KMSAccessDenied',
  },
  TLS_FILE_REFUSED: {
    message: 'the files of a certificate cannot be used',
    retryable: false,
    hint: 'Correct the file that the message names; private keys are for their owner (chmod 600).',
  },
  ENCRYPTION_UNAVAILABLE: {
    message: 'this process cannot encrypt',
    retryable: false,
    hint: 'Run the broker on a Node.js that exports OpenSSL 3; other streams are served.',
    kind: 'KMSDisabled',
  },
  UNSUPPORTED_VERSION: {
    message: 'the two sides have no version of the protocol in common',
    retryable: false,
    hint: 'Use a client and a broker that both speak millrace.v1.',
  },
  SERVER_CLOSING: {
    message: 'the broker is shutting down and takes no more requests',
    retryable: true,
    hint: 'Connect again after the delay that the answer gives.',
    kind: 'ServiceUnavailable',
  },
  ADDRESS_UNAVAILABLE: {
    message: 'the address cannot be listened on',
    retryable: false,
    hint: 'Stop the process that has the port, or listen on another one.',
  },
  UNSAFE_ADDRESS: {
    message: 'an address of other machines, or one that they can reach, and nothing protects it',
    retryable: false,
    hint: 'Use 127.0.0.1 on one machine, TLS between two, or accept the risk as the message says.',
  },
  CONNECTION_LOST: {
    message: 'the connection to the broker was lost',
    retryable: true,
    hint: 'Check that the broker runs at this URL; the request may or may not be carried out.',
  },
  CLIENT_CLOSED: {
    message: 'the client is closed',
    retryable: false,
    hint: 'Connect a new client.',
  },
  INTERNAL: {
    message: 'an internal error',
    retryable: true,
    hint: 'This is a bug of Millrace; please report it with its message.',
    kind: 'InternalFailure',
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

/**
 * A call with a value of the wrong type, or with memory that cannot be used: it is refused before
 * anything happens. A TypeError, as in JavaScript itself, with the code of a broker for the same.
 */
export class InvalidTypeError extends TypeError {
  readonly code = 'INVALID_ARGUMENT' as const
}

/** A call with a value out of its bounds; the same. */
export class InvalidValueError extends RangeError {
  readonly code = 'INVALID_ARGUMENT' as const
}
