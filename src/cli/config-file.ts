/** Finds and reads the configuration file. */

import { readFileSync } from 'node:fs'
import type { ConfigFile } from './config.ts'
import { CliError } from './exit-codes.ts'

const usualName = './millrace.json'

/**
 * The file that was asked for, else the one in the working directory where there is one. Throws a
 * CliError, CONFIGURATION_INVALID, when it cannot be read.
 */
export function readConfigFile(asked: string | undefined): ConfigFile | undefined {
  const name = asked ?? usualName
  try {
    return { name, text: readFileSync(name, 'utf8') }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (asked === undefined && code === 'ENOENT') return undefined
    throw unreadable(name, error)
  }
}

function unreadable(name: string, cause: unknown): CliError {
  const { code } = cause as NodeJS.ErrnoException
  return new CliError('CONFIGURATION_INVALID', `the file ${name} cannot be read: ${code}`, {
    hint: 'Check the name after --config, and that the file may be read.',
    cause,
  })
}
