/** The token of a command: from a file, or from the environment. Never from an argument. */

import { readPrivateText } from '../broker/private-file.ts'
import type { TokenSource } from '../client/token-source.ts'
import type { Invocation } from './context.ts'

/**
 * A file is read again for each connection, so that its token can be replaced. What comes back
 * rejects with a MillraceError, UNAUTHENTICATED, where it cannot be read or others may read it.
 */
export function clientToken(
  invocation: Pick<Invocation, 'config' | 'environment'>,
): TokenSource | undefined {
  const { tokenFile } = invocation.config().values
  if (tokenFile !== '') {
    return async () => (await readPrivateText(tokenFile, 'UNAUTHENTICATED', 'token file')).trim()
  }
  const token = invocation.environment['MILLRACE_TOKEN']
  return token === undefined || token === '' ? undefined : token
}
