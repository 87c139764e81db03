/** What a client's certificate says of it, once its authority was found to be a trusted one. */

import type { PeerCertificate, TLSSocket } from 'node:tls'

/** Node separates alternative names with commas, and quotes those that hold something special. */
const alternativeName = /(?:[^,"]|"(?:[^"\\]|\\.)*")+/g

/**
 * The names under which an access file can know a client: `SHA256:` and the fingerprint of the
 * certificate, its subject alternative names as `DNS:...`, `URI:...`, `email:...` and `IP
 * Address:...`, and `CN:` with the common name. Pure. Quoted names are left out: they hold what
 * could be taken for a second name.
 */
export function certificateNames(certificate: {
  readonly fingerprint256?: string
  readonly subjectaltname?: string
  readonly subject?: { readonly CN?: string | string[] }
}): string[] {
  const { fingerprint256, subjectaltname = '', subject } = certificate
  if (fingerprint256 === undefined) return []
  const alternatives = (subjectaltname.match(alternativeName) ?? [])
    .map((it) => it.trim())
    .filter((it) => it !== '' && !it.includes('"'))
  const common = subject?.CN
  const commonNames = typeof common === 'string' ? [`CN:${common}`] : []
  return [`SHA256:${fingerprint256}`, ...alternatives, ...commonNames]
}

/** What a client has shown. Node's typings do not say that it is null once the socket is closed. */
export function peerCertificate(
  socket: Pick<TLSSocket, 'getPeerCertificate'>,
): PeerCertificate | undefined {
  return (socket.getPeerCertificate() as PeerCertificate | null) ?? undefined
}

/**
 * The names of the client of a socket; none where it has shown no certificate that is trusted, or
 * is gone.
 */
export function peerNames(socket: Pick<TLSSocket, 'authorized' | 'getPeerCertificate'>): string[] {
  const certificate = socket.authorized ? peerCertificate(socket) : undefined
  return certificate === undefined ? [] : certificateNames(certificate)
}
