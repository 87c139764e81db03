/** Checks of the values of options that are no settings. */

import type { Option } from 'commander'
import { CliError } from './exit-codes.ts'

/** Makes an option take a whole number within bounds; what is none is a CliError, USAGE. */
export function wholeNumber<It extends Option>(
  option: It,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): It {
  return option.argParser((text: string) => parseWholeNumber(`${option.long}`, text, min, max))
}

/** A whole number within bounds. Throws a CliError, USAGE, that calls it `name`. */
export function parseWholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  const bound = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `${min} to ${max}`
  throw new CliError('USAGE', `${name} is "${text}", wanted a whole number, ${bound}`)
}
