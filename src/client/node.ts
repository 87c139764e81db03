/** The client of Node programs: `import { connect } from 'millrace/client'`. */

import { type Client, type ConnectOptions, connectOver } from './client.ts'
import { nodeSockets } from './node-socket.ts'

export * from './public.ts'

/**
 * Connects to a broker.
 *
 * ```ts
 * const client = await connect('ws://127.0.0.1:4570')
 * try {
 *   await client.put('orders', { key: 'customer-7', data: new Uint8Array([1]) })
 * } finally {
 *   await client.close()
 * }
 * ```
 *
 * Rejects as `connectOver` says.
 */
export function connect(url: string, options: ConnectOptions = {}): Promise<Client> {
  return connectOver(nodeSockets(), url, options)
}
