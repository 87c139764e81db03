/** The data directory as it was named, before anything is opened. */

import { mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CliError } from './exit-codes.ts'

/** Whether it is there. Throws a CliError, CONFIGURATION_INVALID, for what is no directory. */
export function hasDataDirectory(data: string): boolean {
  const kind = kindOf(data)
  if (kind === 'file') throw unusable(data, 'it is a file')
  return kind === 'directory'
}

function kindOf(data: string): 'missing' | 'file' | 'directory' {
  try {
    return statSync(data).isDirectory() ? 'directory' : 'file'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // What cannot be there because a file stands above it is refused when its parents are made.
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing'
    throw unusable(data, `it cannot be looked at (${code})`)
  }
}

/** Makes the directories above it. Throws a CliError, CONFIGURATION_INVALID, where that fails. */
export function makeParents(data: string): void {
  try {
    mkdirSync(dirname(resolve(data)), { recursive: true })
  } catch (error) {
    throw unusable(data, `its parent cannot be made (${(error as NodeJS.ErrnoException).code})`)
  }
}

function unusable(data: string, why: string): CliError {
  return new CliError('CONFIGURATION_INVALID', `data is ${JSON.stringify(data)}, and ${why}`, {
    hint: 'Name another directory with --data DIR, MILLRACE_DATA=DIR, or "data" in the file.',
  })
}
