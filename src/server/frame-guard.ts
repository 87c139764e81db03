/** Which frames of a connection are taken, and which cost it the connection. */

import { MillraceError } from '../errors.ts'
import { authenticate } from '../wire/access-operations.ts'
import { deregisterStreamConsumer, releaseLease, renewLeases } from '../wire/consumer-operations.ts'
import { deleteStream } from '../wire/operations.ts'
import { unsubscribe } from '../wire/subscription-operations.ts'
import type { Session } from './access/session.ts'
import type { ConnectionHost } from './connection-host.ts'
import { readEnvelope, tooLarge, tooManyInFlight } from './request-envelope.ts'

/** With what a connection ends. */
export interface TooMany {
  readonly retryAfterMs: number
  readonly text: string
}

/**
 * What is carried out where memory is short, too: it frees some, or is little and saves more, as
 * who is not known, or loses a lease, is cut off and comes again.
 */
const spared: ReadonlySet<number> = new Set(
  [
    authenticate,
    unsubscribe,
    renewLeases,
    releaseLease,
    deleteStream,
    deregisterStreamConsumer,
  ].map((it) => it.opcode),
)

function isSpared(frame: Uint8Array): boolean {
  const envelope = readEnvelope(frame)
  return envelope !== undefined && spared.has(envelope.opcode)
}

export class FrameGuard {
  readonly #host: ConnectionHost
  readonly #session: Session

  constructor(host: ConnectionHost, session: Session) {
    this.#host = host
    this.#session = session
  }

  /**
   * Why a request is refused, or undefined: it is taken, and counts. `isOver`: the connection is
   * about to end.
   */
  refusal(frame: Uint8Array, inFlight: number, isOver: boolean): MillraceError | undefined {
    const { limits, overload } = this.#host
    const { messageBytesMax } = this.#session
    if (frame.length > messageBytesMax) return tooLarge(frame.length, messageBytesMax)
    if (isOver || this.#host.isDraining()) {
      return new MillraceError('SERVER_CLOSING', undefined, {
        retryAfterMs: limits.drainRetryAfterMillis,
      })
    }
    if (overload.isMemoryShort && !isSpared(frame)) return overload.requestRefusal()
    if (inFlight >= limits.requestsInFlightMax) return tooManyInFlight(inFlight, limits)
    return this.#session.refusal(frame.length)
  }

  /**
   * Counts a frame that is no request, or one that is refused; what comes back is the end of the
   * connection, where there were too many: they cost the broker, and their sender nothing.
   */
  otherFrame(remoteAddress: string): TooMany | undefined {
    const retryAfterMs = this.#session.otherFrame()
    if (retryAfterMs === 0) return undefined
    const text = 'too many frames (connectionFramesPerSecond)'
    this.#host.countError('LIMIT_EXCEEDED')
    this.#host.warn({ remoteAddress }, `a connection was closed: ${text}`)
    return { retryAfterMs, text }
  }
}
