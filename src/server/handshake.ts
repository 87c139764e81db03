/**
 * What of an HTTP request the WebSocket library does not look at: whether it is a handshake as RFC
 * 6455 has it, and a request that proxies and we read in the same way. Pure.
 */

import { requestHeadBytesMax } from '../limits.ts'
import type { HttpAnswer } from './transport.ts'

/** The first line and the headers of a request. */
export interface RequestHead {
  readonly method: string
  /** With its query. */
  readonly target: string
  /** In their order, the names in small letters. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

const webSocketVersion = '13'
/** 16 bytes in base64. */
const keyPattern = /^[A-Za-z0-9+/]{22}==$/
/** Where there is a WebSocket. */
export const socketPath: string = '/'
/** Two bytes that end a line, and two between a name and its value. */
const bytesPerHeader = 4

function valuesOf({ headers }: RequestHead, name: string): string[] {
  return headers.filter(([it]) => it === name).map(([, value]) => value)
}

/** All values of a header that is a list, as if they stood in one; empty when there is none. */
export function listHeader(head: RequestHead, name: string): string {
  return valuesOf(head, name).join(', ')
}

function hasToken(head: RequestHead, name: string, token: string): boolean {
  const tokens = listHeader(head, name).split(',')
  return tokens.some((it) => it.trim().toLowerCase() === token)
}

function badRequest(text: string): HttpAnswer {
  return { status: '400 Bad Request', body: `${text}\n`, ends: true }
}

function upgradeRequired(text: string): HttpAnswer {
  return { status: '426 Upgrade Required', body: `${text}\n` }
}

/** Why a request is answered by this alone, whatever it asks for; undefined when it is not. */
export function malformedRequest(head: RequestHead): HttpAnswer | undefined {
  const { target, headers } = head
  const bytes = headers.reduce(
    (sum, [name, value]) => sum + name.length + value.length + bytesPerHeader,
    target.length,
  )
  if (bytes > requestHeadBytesMax) {
    const text = `the target and the headers have ${bytes} bytes, at most ${requestHeadBytesMax}`
    const status = '431 Request Header Fields Too Large'
    return { status, body: `${text} (requestHeadBytesMax)\n`, ends: true }
  }
  if (valuesOf(head, 'host').length !== 1) return badRequest('there must be one Host header')
  if (valuesOf(head, 'origin').length > 1) return badRequest('there is more than one Origin header')
  return undefined
}

/** Whether a request wants to become a WebSocket, in whatever form. */
export function asksForSocket(head: RequestHead): boolean {
  return head.method === 'GET' && hasToken(head, 'upgrade', 'websocket')
}

/** Why a request is no opening handshake (RFC 6455 4.2.1), or undefined when it is one. */
export function handshakeRefusal(head: RequestHead): HttpAnswer | undefined {
  if (!hasToken(head, 'upgrade', 'websocket')) {
    return upgradeRequired('a handshake has the header Upgrade: websocket')
  }
  if (!hasToken(head, 'connection', 'upgrade')) {
    return upgradeRequired('a handshake has the header Connection: Upgrade')
  }
  if (listHeader(head, 'sec-websocket-version') !== webSocketVersion) {
    return upgradeRequired(`this broker speaks Sec-WebSocket-Version: ${webSocketVersion}`)
  }
  const keys = valuesOf(head, 'sec-websocket-key')
  if (keys.length !== 1 || !keyPattern.test(keys[0] as string)) {
    return badRequest('a handshake has one Sec-WebSocket-Key, of 16 bytes in base64')
  }
  // What came with it would be taken for its body by a proxy and for frames by us.
  const hasBody = ['content-length', 'transfer-encoding'].some(
    (name) => valuesOf(head, name).length > 0,
  )
  return hasBody ? badRequest('a handshake has no body') : undefined
}

/**
 * Why a request that is taken for none of a WebSocket gets no further, or undefined. Libraries take
 * a handshake that lacks something for some other request, and look at nothing else of it.
 */
export function requestRefusal(path: string, head: RequestHead): HttpAnswer | undefined {
  const isHandshake = path === socketPath && asksForSocket(head)
  return malformedRequest(head) ?? (isHandshake ? handshakeRefusal(head) : undefined)
}

/** What an answer says of the protocol that it asks for, where it does. */
export function upgradeHeaders({ status }: HttpAnswer): Readonly<Record<string, string>> {
  if (!status.startsWith('426 ')) return {}
  return { upgrade: 'websocket', 'sec-websocket-version': webSocketVersion }
}
