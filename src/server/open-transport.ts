/** Chooses what a port is made of: TLS or not. */

import { openNodeTransport } from './node-transport.ts'
import type { TlsReload } from './tls/tls-reload.ts'
import type { Transport, TransportOptions } from './transport.ts'
import { openUwsTransport } from './uws-transport.ts'

/** Opens it. Rejects as either does. */
export async function openTransport(
  options: TransportOptions,
  tls: TlsReload | undefined,
): Promise<Transport> {
  if (tls === undefined) return await openUwsTransport(options)
  const transport = await openNodeTransport(options, tls.material)
  tls.onRenewal(({ context }) => transport.renew(context))
  return transport
}
