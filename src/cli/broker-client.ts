/** The connection of a command to its broker. */

import type { Client } from '../client/client.ts'
import { readClientTls } from './client-tls.ts'
import { clientToken } from './client-token.ts'
import type { Invocation } from './context.ts'
import { withProgress } from './slow-work.ts'

const connectTimeoutMillis = 10_000

/**
 * Connects to the broker of the settings, runs `work` and closes the connection. `isLasting`: the
 * work goes on when the connection is lost and comes back; otherwise that ends it. Rejects as
 * `connect` does, and as `work` does.
 */
export async function withClient<Answer>(
  invocation: Invocation,
  work: (client: Client) => Promise<Answer>,
  { isLasting = false }: { readonly isLasting?: boolean } = {},
): Promise<Answer> {
  const { output, signal } = invocation
  const config = invocation.config().values
  const { url } = config
  const given = {
    signal,
    connectTimeoutMillis,
    token: clientToken(invocation),
    insecurePlainToken: config.insecurePlainToken,
    tls: readClientTls(config),
  }
  const { connect } = await import('../client/node.ts')
  const client = await withProgress(
    output,
    () => `connecting to ${url}`,
    async () => {
      // A broker that is not there is told of at once: nothing has begun that could go on.
      const first = await connect(url, { ...given, reconnect: false })
      if (!isLasting) return first
      await first.close()
      return await connect(url, given)
    },
  )
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}
