/** The client of Node programs: `import { connect } from 'millrace/client'`. */

import { type Client, type ConnectOptions, connectOver } from './client.ts'
import { nodeSockets, type TlsOptions } from './node-socket.ts'

export type { TlsOptions } from './node-socket.ts'

export * from './public.ts'

export interface NodeConnectOptions extends ConnectOptions {
  /** For a broker at `wss://`. */
  readonly tls?: TlsOptions | undefined
}

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
export function connect(url: string, options: NodeConnectOptions = {}): Promise<Client> {
  return connectOver(nodeSockets(undefined, options.tls), url, options)
}
