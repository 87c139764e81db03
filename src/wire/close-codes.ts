/**
 * Why a connection was closed, and whether the client shall reconnect: 4000 to 4499 yes, 4500 to
 * 4999 no. The reason of a close is `NAME`, `NAME retryAfterMs=250` or `NAME: what is wrong`, at
 * most 123 bytes.
 */

export interface CloseCode {
  readonly code: number
  readonly name: string
  readonly meaning: string
}

function closeCode(code: number, name: string, meaning: string): CloseCode {
  return { code, name, meaning }
}

export const closeCodes = {
  normal: closeCode(1000, 'NORMAL', 'the client is done'),
  internal: closeCode(1011, 'INTERNAL', 'an internal error of the broker'),
  restart: closeCode(1012, 'SERVER_CLOSING', 'the broker is shutting down or restarting'),
  expired: closeCode(
    4401,
    'AUTHENTICATION_EXPIRED',
    'the token has expired or was taken back, or none came in time: come again with another',
  ),
  slowConsumer: closeCode(4408, 'SLOW_CONSUMER', 'what was sent was not read in time'),
  silent: closeCode(4410, 'SILENT', 'no complete message and no pong in time'),
  tooMany: closeCode(4429, 'LIMIT_EXCEEDED', 'too many connections, or frames that are no request'),
  protocolViolation: closeCode(
    4500,
    'PROTOCOL_VIOLATION',
    'a frame that cannot be decoded, a text frame, or an unknown opcode: a bug of the client',
  ),
  unsupportedVersion: closeCode(4501, 'UNSUPPORTED_VERSION', 'no common subprotocol'),
  accessDenied: closeCode(
    4503,
    'ACCESS_DENIED',
    'not allowed: how a client sees an upgrade that was answered with HTTP 403; never sent',
  ),
  unauthenticated: closeCode(4504, 'UNAUTHENTICATED', 'the token is not valid, or there is none'),
} as const satisfies Readonly<Record<string, CloseCode>>

const reasonBytesMax = 123
const encoder = new TextEncoder()

/**
 * The reason that goes with a close: the name, after it `retryAfterMs=`, after that `: ` and a
 * text, which is cut where it does not fit.
 */
export function closeReason(
  { name }: CloseCode,
  { retryAfterMs, text }: { readonly retryAfterMs?: number; readonly text?: string } = {},
): string {
  const wait = retryAfterMs === undefined ? '' : ` retryAfterMs=${retryAfterMs}`
  const reason = Array.from(`${name}${wait}${text === undefined ? '' : `: ${text}`}`)
  while (encoder.encode(reason.join('')).length > reasonBytesMax) reason.pop()
  return reason.join('')
}

const reconnectable = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014])

/** Whether a client shall connect again after a close with this code. */
export function reconnects(code: number): boolean {
  return reconnectable.has(code) || (code >= 4000 && code < 4500)
}
