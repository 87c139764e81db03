/**
 * Connections end when the certificates of their clients do. The handshake looks at that once, and
 * not again where a session is resumed.
 */

import type { TLSSocket } from 'node:tls'
import { peerCertificate } from './peer-certificate.ts'

/** The clock of the wall can be set: it is looked at again after so long. */
const lookMillisMax = 3_600_000

/** To be called when the handshake is done. `now` in milliseconds since 1970. */
export function endWithCertificate(socket: TLSSocket, now: () => number): void {
  const end = Date.parse(peerCertificate(socket)?.valid_to ?? '')
  let timer: NodeJS.Timeout | undefined
  const look = () => {
    const left = end - now()
    if (left > 0) {
      timer = setTimeout(look, Math.min(left, lookMillisMax)).unref()
      return
    }
    socket.destroy() // also where no end of it can be read
  }
  socket.once('close', () => clearTimeout(timer))
  look()
}
