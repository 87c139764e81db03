/** Loads the log core when a command needs it: the others work where it is not compiled. */

import { CliError } from './exit-codes.ts'

type LogModule = typeof import('../log/verify.ts')

/** Throws a CliError, ADDON_MISSING. */
export async function loadLog(): Promise<LogModule> {
  try {
    return await import('../log/verify.ts')
  } catch (error) {
    throw missing(error)
  }
}

function missing(cause: unknown): CliError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CliError('ADDON_MISSING', reason.split(';')[0] ?? reason, { cause })
}
