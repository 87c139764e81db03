/** What is known of a frame that is refused unread. Pure. */

import { MillraceError } from '../errors.ts'
import { authenticate } from '../wire/access-operations.ts'
import { MessageReader } from '../wire/message-bytes.ts'
import { operationsByOpcode } from '../wire/operations.ts'

export interface Envelope {
  readonly opcode: number
  readonly requestId: number
}

/** Opcode and request id of a frame, or undefined where it has none. */
export function readEnvelope(frame: Uint8Array): Envelope | undefined {
  try {
    const reader = new MessageReader(frame, 0)
    reader.takeArrayHeader('an array')
    const opcode = reader.takeUint('an opcode')
    const requestId = reader.takeUint('a request id')
    return operationsByOpcode.has(opcode) ? { opcode, requestId } : undefined
  } catch (error) {
    if (error instanceof MillraceError) return undefined
    throw error
  }
}

export function tooLarge(bytes: number, bytesMax: number): MillraceError {
  return new MillraceError(
    'RECORD_TOO_LARGE',
    `the message has ${bytes} bytes, at most ${bytesMax} (frameBytesMax); ` +
      'put fewer records at once',
  )
}

export function tooManyInFlight(
  count: number,
  limits: { readonly requestsInFlightMax: number; readonly inFlightRetryAfterMillis: number },
): MillraceError {
  return new MillraceError(
    'LIMIT_EXCEEDED',
    `${count} requests of this connection wait for their answers, ` +
      `at most ${limits.requestsInFlightMax} (requestsInFlightMax)`,
    { retryAfterMs: limits.inFlightRetryAfterMillis },
  )
}

/** Why a frame of a client that is not known yet is not looked at, or undefined: it is. */
export function refusalOfUnknown(frame: Uint8Array, bytesMax: number): MillraceError | undefined {
  if (frame.length > bytesMax) {
    return new MillraceError(
      'UNAUTHENTICATED',
      `the message has ${frame.length} bytes, before Authenticate at most ` +
        `${bytesMax} (unauthenticatedMessageBytesMax)`,
    )
  }
  if (readEnvelope(frame)?.opcode === authenticate.opcode) return undefined
  return new MillraceError('UNAUTHENTICATED', 'the first message has to be Authenticate')
}

/** What is no ASCII stays what it is, one character a byte, and is no token. */
export function asciiText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
