/** Asking before something is deleted. */

import { createInterface } from 'node:readline/promises'
import { Option } from 'commander'
import type { Invocation } from './context.ts'
import { CliError } from './exit-codes.ts'

export function yesOption(): Option {
  return new Option('--yes', 'do not ask')
}

/**
 * Asks on the terminal, unless `--yes` was given. `what` is deleted. Throws a CliError,
 * CONFIRMATION_NEEDED, unless the answer is yes.
 */
export async function confirm(invocation: Invocation, what: string): Promise<void> {
  const { options, output, stdin, signal } = invocation
  if (options['yes'] === true) return
  if (stdin.isTTY !== true || !output.isErrorTerminal) {
    throw new CliError(
      'CONFIRMATION_NEEDED',
      `rm deletes ${what}, and nobody can be asked without a terminal`,
    )
  }
  const prompt = createInterface({ input: stdin, output: process.stderr })
  try {
    const answer = await prompt.question(`Delete ${what}? [y/N] `, { signal })
    if (!/^y(es)?$/i.test(answer.trim())) {
      throw new CliError('CONFIRMATION_NEEDED', `nothing was deleted: ${what}`, {
        hint: 'Answer y, or add --yes.',
      })
    }
  } finally {
    prompt.close()
  }
}
