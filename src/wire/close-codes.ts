/**
 * Why a connection was closed, and whether the client shall reconnect: 4000 to 4499 yes, 4500 to
 * 4999 no. The reason of a close is `NAME` or `NAME retryAfterMs=250`, at most 123 bytes.
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
  slowConsumer: closeCode(4408, 'SLOW_CONSUMER', 'what was sent was not read in time'),
  tooMany: closeCode(4429, 'LIMIT_EXCEEDED', 'too many connections, or requests in flight'),
  protocolViolation: closeCode(
    4500,
    'PROTOCOL_VIOLATION',
    'a frame that cannot be decoded, a text frame, or an unknown opcode: a bug of the client',
  ),
  unsupportedVersion: closeCode(4501, 'UNSUPPORTED_VERSION', 'no common subprotocol'),
  accessDenied: closeCode(4503, 'ACCESS_DENIED', 'not allowed, or from a wrong origin'),
} as const satisfies Readonly<Record<string, CloseCode>>

const reconnectable = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014])

/** Whether a client shall connect again after a close with this code. */
export function reconnects(code: number): boolean {
  return reconnectable.has(code) || (code >= 4000 && code < 4500)
}
