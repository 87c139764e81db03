/** Modes of streams as they are typed: `provisioned`, `on-demand`, `ON_DEMAND`. */

import type { StreamMode } from '../wire/operations.ts'
import { CliError } from './exit-codes.ts'

const modes: Readonly<Record<string, StreamMode>> = {
  provisioned: 'PROVISIONED',
  'on-demand': 'ON_DEMAND',
}

/** `name` is what errors call the text. Throws a CliError, USAGE. */
export function parseMode(name: string, text: string): StreamMode {
  const mode = modes[text.toLowerCase().replace('_', '-')]
  if (mode !== undefined) return mode
  throw new CliError('USAGE', `${name} is "${text}", wanted ${Object.keys(modes).join(' or ')}`)
}
