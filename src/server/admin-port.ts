/** A port of its own for what operators ask: health and metrics, and no records. */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { InsecureSwitches, Protection } from './admission.ts'
import { answerNodeRequest, listenOn, slowRequestLimits } from './node-http.ts'
import type { TransportOptions } from './transport.ts'

export type AdminPortOptions = Pick<
  TransportOptions,
  'host' | 'port' | 'answer' | 'handshakeMillisMax'
> & {
  /** Operators are few, and their connections must not use up the descriptors of the log. */
  readonly connectionsMax: number
}

export interface AdminPort {
  readonly port: number
  close(): Promise<void>
}

/** It has neither authentication nor TLS: off loopback both switches have to be given. */
export function adminProtection({ insecureNoAuth, insecureNoTls }: InsecureSwitches): Protection {
  return { insecureNoAuth, insecureNoTls }
}

/** Opens it. Rejects with a MillraceError, ADDRESS_UNAVAILABLE. */
export async function openAdminPort(options: AdminPortOptions): Promise<AdminPort> {
  const { host, port, answer, handshakeMillisMax, connectionsMax } = options
  const server = createServer(slowRequestLimits(handshakeMillisMax), (request, response) => {
    void answerNodeRequest(request, response, answer)
  })
  server.maxConnections = connectionsMax
  await listenOn(server, { host, port })
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}
