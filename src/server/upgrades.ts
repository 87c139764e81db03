/** What becomes of a request to open a WebSocket: decided before there is one. */

import { MillraceError } from '../errors.ts'
import { closeCodes } from '../wire/close-codes.ts'
import { subprotocol } from '../wire/operations.ts'
import { credentialOf } from './access/credential.ts'
import { crowdedRetryAfterMillis, type Gate } from './access/gate.ts'
import type { Identity } from './access/identity.ts'
import { type AdmissionRules, headersRefusal, negotiate } from './admission.ts'
import type { Connections } from './connections.ts'
import { textAnswer } from './http-endpoints.ts'
import type { HttpAnswer, HttpRequest, Upgrade } from './transport.ts'

const challenge = { 'www-authenticate': 'Bearer realm="millrace"' }

/** Why a token did not do, as an answer over HTTP. */
export function refusedToken(error: MillraceError): HttpAnswer {
  const { code, message, retryAfterMs = 0 } = error
  if (code !== 'LIMIT_EXCEEDED') {
    return { ...textAnswer('401 Unauthorized', message), headers: challenge }
  }
  const seconds = Math.ceil(retryAfterMs / 1000)
  const answer = textAnswer('429 Too Many Requests', `${message} retryAfterMs=${retryAfterMs}`)
  return { ...answer, headers: { 'retry-after': String(seconds) } }
}

/** A handshake that comes too soon after others; nobody shall send the next one behind it. */
function comeLater(retryAfterMs: number): HttpAnswer {
  const text = 'too many connections are opened (connectsPerSecond); wait'
  return {
    ...refusedToken(new MillraceError('LIMIT_EXCEEDED', text, { retryAfterMs })),
    ends: true,
  }
}

/** There are too many, or the broker has too much to do; nobody shall send more behind it. */
function unavailable(text: string): Upgrade {
  const headers = { 'retry-after': String(Math.ceil(crowdedRetryAfterMillis / 1000)) }
  const answer = { ...textAnswer('503 Service Unavailable', text), headers, ends: true }
  return { kind: 'refuse', answer }
}

function refuse(status: string, text: string): Upgrade {
  return { kind: 'refuse', answer: textAnswer(status, text) }
}

/** Never throws or rejects. */
export function upgradeOf(
  rules: AdmissionRules,
  connections: Connections,
  request: HttpRequest,
): Upgrade | Promise<Upgrade> {
  const forbidden = headersRefusal(rules, request)
  if (forbidden !== undefined) return refuse('403 Forbidden', forbidden)
  const tooMany = connections.refusal(request.remoteAddress)
  if (tooMany !== undefined) return unavailable(tooMany)
  const retryAfterMs = connections.connectWaitMillis(request.remoteAddress)
  if (retryAfterMs > 0) return { kind: 'refuse', answer: comeLater(retryAfterMs) }
  const credential = credentialOf(request)
  if (credential.kind === 'wrong') return refuse('400 Bad Request', credential.text)
  const { gate } = connections
  if (gate.isOpen) return accept(connections, request)
  if (credential.kind === 'none') return acceptWithoutToken(connections, request)
  const { token, from } = credential
  return identify(gate, token, request.remoteAddress).then((found) => {
    if (!(found instanceof MillraceError)) return accept(connections, request, found)
    // A page is not told the status of an answer over HTTP, only the code of a close.
    return from === 'header'
      ? { kind: 'refuse', answer: refusedToken(found) }
      : turnAway(connections, request, found)
  })
}

function identifyCertificate(gate: Gate, request: HttpRequest): Identity | undefined {
  return gate.identifyCertificate(request.certificateNames ?? [])
}

/** Whether nothing in a request says who it comes from, where that is asked. */
export function isUnknownClient(gate: Gate, request: HttpRequest): boolean {
  if (gate.isOpen || credentialOf(request).kind !== 'none') return false
  return identifyCertificate(gate, request) === undefined
}

/** Its certificate may say who it is. */
function acceptWithoutToken(connections: Connections, request: HttpRequest): Upgrade {
  const { gate } = connections
  const identity = identifyCertificate(gate, request)
  if (identity === undefined) return acceptUnknown(connections, request)
  try {
    gate.requireRoom(identity.principal)
    return accept(connections, request, identity)
  } catch (error) {
    const refusal = error instanceof MillraceError ? error : new MillraceError('INTERNAL')
    return { kind: 'refuse', answer: refusedToken(refusal) }
  }
}

/** Who shows a token and may have a connection, or why not. Never rejects. */
async function identify(
  gate: Gate,
  token: string,
  remoteAddress: string,
): Promise<Identity | MillraceError> {
  try {
    const identity = await gate.identify(token, remoteAddress)
    gate.requireRoom(identity.principal)
    return identity
  } catch (error) {
    return error instanceof MillraceError ? error : new MillraceError('INTERNAL')
  }
}

function accept(connections: Connections, request: HttpRequest, identity?: Identity): Upgrade {
  const { subprotocol: chosen, isSpoken } = negotiate(request.subprotocols)
  return {
    kind: 'accept',
    subprotocol: chosen,
    handler: (socket) => {
      if (!isSpoken) {
        const text = `this broker speaks ${subprotocol}`
        return connections.turnAway(socket, closeCodes.unsupportedVersion, { text })
      }
      // The rules may have changed while the token was checked.
      if (identity !== undefined && !connections.gate.holds(identity)) {
        const text = 'the token is not valid any more'
        return connections.turnAway(socket, closeCodes.unauthenticated, { text })
      }
      // So many more may have been let in since: the check of a token takes a while.
      const tooMany = lateRefusal(connections, request.remoteAddress, identity)
      if (tooMany !== undefined) {
        const code = connections.isDraining() ? closeCodes.restart : closeCodes.tooMany
        const retryAfterMs = crowdedRetryAfterMillis
        return connections.turnAway(socket, code, { retryAfterMs, text: tooMany })
      }
      return connections.open(socket, identity)
    },
  }
}

function lateRefusal(
  connections: Connections,
  remoteAddress: string,
  identity: Identity | undefined,
): string | undefined {
  const { gate } = connections
  return (
    connections.refusal(remoteAddress) ??
    (identity === undefined
      ? gate.unknownRefusal(remoteAddress)
      : gate.principalRefusal(identity.principal))
  )
}

/** Its first message has to say who it is; few may wait for that at a time. */
function acceptUnknown(connections: Connections, request: HttpRequest): Upgrade {
  const tooMany = connections.gate.unknownRefusal(request.remoteAddress)
  if (tooMany === undefined) return accept(connections, request)
  return unavailable(tooMany)
}

function turnAway(
  connections: Connections,
  request: HttpRequest,
  { code, message, retryAfterMs }: MillraceError,
): Upgrade {
  const isCrowded = code === 'LIMIT_EXCEEDED'
  const closeCode = isCrowded ? closeCodes.tooMany : closeCodes.unauthenticated
  const details = isCrowded && retryAfterMs !== undefined ? { retryAfterMs } : { text: message }
  return {
    kind: 'accept',
    subprotocol: negotiate(request.subprotocols).subprotocol,
    handler: (socket) => connections.turnAway(socket, closeCode, details),
  }
}
