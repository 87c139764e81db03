/**
 * How a command ends. Each error of the table (src/errors.ts) has its exit code here, and so has
 * what only a command line can get wrong.
 */

import type { ErrorCode } from '../errors.ts'

export interface ExitCode {
  readonly status: number
  readonly meaning: string
}

function exitCode(status: number, meaning: string): ExitCode {
  return { status, meaning }
}

export const exitCodes = {
  done: exitCode(0, 'done'),
  failed: exitCode(1, 'the command failed'),
  usage: exitCode(2, 'the command line or the configuration is wrong; nothing was done'),
  notFound: exitCode(3, 'the stream, the shard or the consumer does not exist'),
  notAllowed: exitCode(4, 'the operation is not permitted'),
  conflict: exitCode(5, 'it exists already, or somebody else has it in use'),
  unreachable: exitCode(6, 'the broker cannot be reached, or did not answer in time'),
  corruption: exitCode(7, 'damaged data was found'),
  verificationFailed: exitCode(8, 'a run checked itself, and records are missing or doubled'),
  internal: exitCode(70, 'an internal error: a bug of Millrace; acknowledgements stopped'),
  diskFailed: exitCode(74, 'the disk failed; acknowledgements stopped'),
  refusedToStart: exitCode(78, 'refused to start: an unsafe address, or as root'),
  interrupted: exitCode(130, 'stopped by SIGINT before it was done; serve: by the second one'),
  terminated: exitCode(143, 'stopped by SIGTERM before it was done; serve: by the second one'),
} as const satisfies Readonly<Record<string, ExitCode>>

/** Codes that are not listed end a command with `failed`. */
const exitCodeOfError: Partial<Record<ErrorCode, ExitCode>> = {
  INVALID_ARGUMENT: exitCodes.usage,
  STREAM_NOT_FOUND: exitCodes.notFound,
  SHARD_NOT_FOUND: exitCodes.notFound,
  CONSUMER_NOT_FOUND: exitCodes.notFound,
  KEY_NOT_FOUND: exitCodes.notFound,
  KEY_FILE_REFUSED: exitCodes.notAllowed,
  TLS_FILE_REFUSED: exitCodes.notAllowed,
  ACCESS_DENIED: exitCodes.notAllowed,
  UNAUTHENTICATED: exitCodes.notAllowed,
  ACCESS_FILE_REFUSED: exitCodes.notAllowed,
  STREAM_EXISTS: exitCodes.conflict,
  STREAM_IN_USE: exitCodes.conflict,
  CONSUMER_EXISTS: exitCodes.conflict,
  CONSUMER_IN_USE: exitCodes.conflict,
  LEASE_LOST: exitCodes.conflict,
  LOG_LOCKED: exitCodes.conflict,
  ADDRESS_UNAVAILABLE: exitCodes.conflict,
  UNSAFE_ADDRESS: exitCodes.refusedToStart,
  CONNECTION_LOST: exitCodes.unreachable,
  SERVER_CLOSING: exitCodes.unreachable,
  LOG_CORRUPT: exitCodes.corruption,
  CATALOG_UNREADABLE: exitCodes.corruption,
  LOG_FAILED: exitCodes.diskFailed,
  INTERNAL: exitCodes.internal,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  return exitCodeOfError[code] ?? exitCodes.failed
}

interface CliErrorRow {
  readonly message: string
  readonly hint: string
  readonly exit: ExitCode
}

/** What is wrong before, or beside, any operation of a broker. */
export const cliErrorTable = {
  USAGE: {
    message: 'the command line cannot be understood',
    hint: 'Add --help to the command to see what it takes.',
    exit: exitCodes.usage,
  },
  CONFIGURATION_INVALID: {
    message: 'a setting is unknown or has a value that it cannot have',
    hint: 'See where each value comes from: millrace config show --origin',
    exit: exitCodes.usage,
  },
  CONFIRMATION_NEEDED: {
    message: 'the command deletes something for good and was not confirmed',
    hint: 'Add --yes.',
    exit: exitCodes.usage,
  },
  ADDON_MISSING: {
    message: 'the native addon is not compiled for this machine',
    hint: 'Run: npx millrace doctor --build',
    exit: exitCodes.failed,
  },
  FILE_UNREADABLE: {
    message: 'a file cannot be read',
    hint: 'Check its name and its permissions.',
    exit: exitCodes.failed,
  },
  ROOT_REFUSED: {
    message: 'a broker does not run as root, nor with capabilities of root',
    hint:
      'Start it as another user, or with --run-as USER:GROUP to become one. In a container of ' +
      'its own: --insecure-run-as-root, or MILLRACE_INSECURE_RUN_AS_ROOT=true.',
    exit: exitCodes.refusedToStart,
  },
  VERIFICATION_FAILED: {
    message: 'a run checked itself: records were lost, repeated, out of order or altered',
    hint: 'No figure was printed. Check the data directory with millrace verify, and report it.',
    exit: exitCodes.verificationFailed,
  },
  NOTHING_MEASURED: {
    message: 'a run ended before its warm-up was over: there is nothing that a figure could be of',
    hint: 'Ask for less, with a lower --rate or smaller records, or for a shorter --warm-up.',
    exit: exitCodes.failed,
  },
  CHECK_FAILED: {
    message: 'something that Millrace needs is missing',
    hint: 'Do what the failed lines say.',
    exit: exitCodes.failed,
  },
} as const satisfies Readonly<Record<string, CliErrorRow>>

export type CliErrorCode = keyof typeof cliErrorTable

/** Ends a command with one line, a hint and the exit code of its row. */
export class CliError extends Error {
  readonly code: CliErrorCode
  readonly hint: string
  readonly exit: ExitCode

  constructor(
    code: CliErrorCode,
    message: string,
    details: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.hint = details.hint ?? cliErrorTable[code].hint
    this.exit = cliErrorTable[code].exit
  }

  static {
    Object.defineProperty(CliError.prototype, 'name', { value: 'CliError' })
  }
}

/** Why a command was given up: the reason of the run's signal. */
export class Stopped extends Error {
  readonly exit: ExitCode

  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`)
    this.exit = signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated
  }

  static {
    Object.defineProperty(Stopped.prototype, 'name', { value: 'Stopped' })
  }
}
