/** The client of browsers: what `import { connect } from 'millrace/client'` gives there. */

import { browserSockets } from './browser-socket.ts'
import { type Client, type ConnectOptions, connectOver } from './client.ts'
import { systemClock } from './clock.ts'

export * from './public.ts'

/** Connects to a broker, as the client of Node programs does. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  return connectOver(browserSockets(systemClock), url, options)
}
