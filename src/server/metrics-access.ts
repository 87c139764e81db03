/**
 * Who may see the metrics. They name all streams: who may not see those may not see them. The bind
 * decides where nobody is asked who they are, not the peer.
 */

import { MillraceError } from '../errors.ts'
import { type Credential, credentialOf } from './access/credential.ts'
import type { Gate } from './access/gate.ts'
import { isLoopbackName } from './admission.ts'
import { textAnswer } from './http-endpoints.ts'
import { adminRight } from './served-broker.ts'
import type { HttpAnswer, HttpRequest } from './transport.ts'
import { refusedToken } from './upgrades.ts'

export interface MetricsRules {
  readonly host: string
  readonly gate: Gate
  /** A port of their own, where there is one. */
  readonly admin?: object | undefined
  readonly insecureNoAuth?: boolean | undefined
}

/** Why the client may not see them; undefined where it may. Rejects with bugs alone. */
export async function metricsRefusal(
  { host, gate, admin, insecureNoAuth }: MetricsRules,
  request: HttpRequest,
): Promise<HttpAnswer | undefined> {
  if (admin !== undefined) {
    return textAnswer('404 Not Found', 'Metrics are at the admin port of this broker.')
  }
  if (!gate.isOpen) return await tokenRefusal(gate, request)
  if (isLoopbackName(host) || insecureNoAuth === true) return undefined
  const remedy = 'start the broker with --admin-listen 127.0.0.1:4571'
  return textAnswer(
    '403 Forbidden',
    `Metrics are not for everybody who reaches this port; ${remedy}.`,
  )
}

async function tokenRefusal(gate: Gate, request: HttpRequest): Promise<HttpAnswer | undefined> {
  const credential = credentialOf(request)
  if (credential.kind === 'wrong') return textAnswer('400 Bad Request', credential.text)
  try {
    const principal = await principalOf(gate, request, credential)
    if (principal === undefined) {
      return refusedToken(new MillraceError('UNAUTHENTICATED', 'the metrics take a token'))
    }
    if (gate.permissionsOf(principal)?.onAll(adminRight) === true) return undefined
    gate.audit.denied(principal, 'metrics', undefined)
    return textAnswer('403 Forbidden', 'the metrics take the permission to admin all streams ("*")')
  } catch (error) {
    if (error instanceof MillraceError) return refusedToken(error)
    throw error
  }
}

/** Who asks, by a token or else by a certificate; undefined where nothing says it. */
async function principalOf(
  gate: Gate,
  { remoteAddress, certificateNames = [] }: HttpRequest,
  credential: Exclude<Credential, { readonly kind: 'wrong' }>,
): Promise<string | undefined> {
  const identity =
    credential.kind === 'none'
      ? gate.identifyCertificate(certificateNames)
      : await gate.identify(credential.token, remoteAddress)
  return identity?.principal
}
