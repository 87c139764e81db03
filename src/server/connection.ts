/**
 * One connection: hands frames to the broker, answers, forgets.
 *
 * Rule 1: a frame is only lent. Its memory is the receive buffer of the event loop and is taken
 * away when `receive` returns, so everything that outlives the call is copied before it returns:
 * the broker appends puts within the call, and control messages are decoded into copies.
 */

import { MillraceError } from '../errors.ts'
import { frameBytesMax } from '../limits.ts'
import { type CloseCode, closeCodes, closeReason } from '../wire/close-codes.ts'
import {
  decodeRequest,
  encodeAnswer,
  encodeError,
  encodeWelcome,
  parseRequest,
  type RequestFrame,
} from '../wire/frame.ts'
import { MessageReader } from '../wire/message-bytes.ts'
import {
  type AnswerOf,
  describeStream,
  getRecords,
  listShards,
  listStreams,
  type Operation,
  operationsByOpcode,
  type RequestOf,
} from '../wire/operations.ts'
import { decodeCredit, isCreditFrame } from '../wire/pushes.ts'
import { isPutFrame } from '../wire/put-frame.ts'
import { type AnswerBounds, AnswerSender } from './answer-sender.ts'
import { errorFacts, type Logger } from './logger.ts'
import {
  isSubscriptionOperation,
  type ServedBroker,
  type SubscriptionSink,
  type Subscriptions,
} from './served-broker.ts'
import type { Socket, SocketHandler } from './transport.ts'
import { TurnQueue } from './turn-queue.ts'

export interface ConnectionLimits extends AnswerBounds {
  readonly requestsInFlightMax: number
  readonly inFlightRetryAfterMillis: number
  readonly drainRetryAfterMillis: number
  readonly unreadMillisMax: number
  readonly pingMillis: number
  readonly silenceMillisMax: number
}

/** What the connections of a server have in common. */
export interface ConnectionHost {
  readonly broker: ServedBroker
  readonly logger: Logger
  readonly limits: ConnectionLimits
  readonly brokerVersion: string
  readonly now: () => number
  /** Whether requests are refused, as the server is about to stop. */
  isDraining(): boolean
  /** The connection wants `flush` to be called at the end of this turn of the event loop. */
  flushLater(connection: Connection): void
  /** Writes a warning about a connection, unless there were too many of them. */
  warn(facts: object, text: string): void
  /** An error answer was sent. */
  countError(code: string): void
  /** The last that is heard of a connection. */
  gone(connection: Connection, code: number): void
}

const protocolVersion = 1

/** Operations whose answers can be large. */
const inTurns: ReadonlySet<number> = new Set(
  [getRecords, listShards, listStreams, describeStream].map((it) => it.opcode),
)

/** Opcode and request id of a frame that is refused unread, or undefined where it has none. */
function readEnvelope(frame: Uint8Array): { opcode: number; requestId: number } | undefined {
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

export class Connection implements SocketHandler, SubscriptionSink {
  readonly remoteAddress: string
  readonly #host: ConnectionHost
  readonly #socket: Socket
  readonly #sender: AnswerSender
  readonly #turns: TurnQueue<RequestFrame>
  readonly #answerPut: (answer: Uint8Array) => void
  /** As soon as something is subscribed to: most connections never do. */
  #subscriptions: Subscriptions | undefined
  #inFlight = 0
  #isOpen = true
  #endedWith: number | undefined
  /** Whether a message or a pong came since the last look: cheaper than reading the clock. */
  #wasHeard = true
  #heardAt: number
  #wasPinged = false

  constructor(host: ConnectionHost, socket: Socket) {
    this.#host = host
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress
    this.#heardAt = host.now()
    this.#sender = new AnswerSender(socket, host.limits, {
      flushLater: () => host.flushLater(this),
      overflow: () => this.#cutOff(closeCodes.slowConsumer),
      now: host.now,
    })
    this.#turns = new TurnQueue(
      (request) => this.#carryOut(request, true),
      () => this.#isOpen && this.#sender.isClear(),
    )
    this.#answerPut = (answer) => this.#finish(answer, false)
    this.#sender.beginReceiving()
    this.#sender.send(
      encodeWelcome({
        protocolVersion,
        brokerVersion: host.brokerVersion,
        frameBytesMax,
        requestsInFlightMax: host.limits.requestsInFlightMax,
      }),
    )
    this.#sender.endReceiving()
  }

  /** Requests that wait for their answers. */
  get inFlight(): number {
    return this.#inFlight
  }

  bufferedBytes(): number {
    return this.#isOpen ? this.#socket.bufferedBytes() : 0
  }

  /** Whether nothing is left to be answered or to be sent. */
  isQuiet(): boolean {
    return !this.#isOpen || (this.#inFlight === 0 && this.#sender.isEmpty())
  }

  /** Whether something waits of which the client has taken nothing since `time`. */
  hasStalledSince(time: number): boolean {
    const since = this.#sender.stalledSince()
    return since !== undefined && since <= time
  }

  receive(frame: Uint8Array, isBinary: boolean): void {
    this.#wasHeard = true
    this.#sender.beginReceiving()
    try {
      this.#receive(frame, isBinary)
    } catch (error) {
      this.#violated(frame, error)
    } finally {
      this.#sender.endReceiving()
    }
  }

  drained(): void {
    if (!this.#isOpen) return
    this.#sender.drained()
    this.#turns.advance()
    this.#subscriptions?.drained()
  }

  /** Sends a frame of a subscription. */
  push(frame: Uint8Array): boolean {
    return this.#sender.push(frame)
  }

  /** A client that returns no credit. */
  stalled(): void {
    this.#cutOff(closeCodes.slowConsumer)
  }

  /** Sends nothing to subscriptions any more. */
  stopPushes(): void {
    this.#subscriptions?.close()
  }

  ponged(): void {
    this.#wasHeard = true
  }

  closed(code: number): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.stopPushes()
    this.#sender.discard()
    this.#turns.clear()
    this.#host.gone(this, this.#endedWith ?? code)
  }

  flush(): void {
    if (this.#isOpen) this.#sender.flush()
  }

  /** Ends the connection with a code and the reason that belongs to it. */
  end(code: CloseCode, details: { readonly retryAfterMs?: number; readonly text?: string }): void {
    if (!this.#isOpen) return
    this.#endedWith = code.code
    this.#socket.close(code, closeReason(code, details))
    this.closed(code.code)
  }

  /** Looks for peers that are gone or do not read: to be called every few seconds. */
  inspect(now: number): void {
    if (!this.#isOpen) return
    if (this.#wasHeard) {
      this.#wasHeard = false
      this.#wasPinged = false
      this.#heardAt = now
    }
    const { unreadMillisMax, silenceMillisMax, pingMillis } = this.#host.limits
    const stalledSince = this.#sender.stalledSince()
    if (stalledSince !== undefined) {
      if (now - stalledSince >= unreadMillisMax) this.#cutOff(closeCodes.slowConsumer)
    } else if (now - this.#heardAt >= silenceMillisMax) {
      // One that hangs returns no credit, either, and has more time for that.
      if (this.#subscriptions?.owesCredit() !== true) this.#cutOff(closeCodes.silent)
    } else if (now - this.#heardAt >= pingMillis && !this.#wasPinged) {
      this.#wasPinged = true
      this.#socket.ping()
    }
  }

  #receive(frame: Uint8Array, isBinary: boolean): void {
    if (!isBinary) throw new MillraceError('PROTOCOL_VIOLATION', 'a text frame; use binary ones')
    if (isCreditFrame(frame)) {
      const { subscriptionId, bytes } = decodeCredit(frame)
      this.#subscriptions?.credit(subscriptionId, bytes)
      return
    }
    const isPut = isPutFrame(frame)
    const refusal = this.#refusal(frame)
    if (refusal !== undefined) {
      this.#refuse(frame, refusal)
    } else if (isPut) {
      this.#put(frame)
    } else {
      this.#call(frame)
    }
  }

  #refusal(frame: Uint8Array): MillraceError | undefined {
    const { limits } = this.#host
    if (frame.length > frameBytesMax) {
      return new MillraceError(
        'RECORD_TOO_LARGE',
        `the message has ${frame.length} bytes, at most ${frameBytesMax} (frameBytesMax); ` +
          'put fewer records at once',
      )
    }
    if (this.#host.isDraining()) {
      return new MillraceError('SERVER_CLOSING', undefined, {
        retryAfterMs: limits.drainRetryAfterMillis,
      })
    }
    if (this.#inFlight >= limits.requestsInFlightMax) {
      return new MillraceError(
        'LIMIT_EXCEEDED',
        `${this.#inFlight} requests of this connection wait for their answers, ` +
          `at most ${limits.requestsInFlightMax} (requestsInFlightMax)`,
        { retryAfterMs: limits.inFlightRetryAfterMillis },
      )
    }
    return undefined
  }

  #refuse(frame: Uint8Array, error: MillraceError): void {
    const envelope = readEnvelope(frame)
    if (envelope === undefined) {
      throw new MillraceError('PROTOCOL_VIOLATION', `unreadable, and ${error.message}`)
    }
    this.#sender.send(this.#encodeError(envelope.opcode, envelope.requestId, error))
  }

  #put(frame: Uint8Array): void {
    this.#inFlight += 1
    try {
      this.#host.broker.put(frame, this.#answerPut)
    } catch (error) {
      this.#inFlight -= 1
      throw error
    }
  }

  #call(frame: Uint8Array): void {
    const request = decodeRequest(frame)
    this.#inFlight += 1
    if (inTurns.has(request.operation.opcode)) this.#turns.add(request)
    else void this.#carryOut(request, false)
  }

  async #carryOut(request: RequestFrame, isLarge: boolean): Promise<void> {
    const { operation, requestId } = request
    let answer: Uint8Array
    try {
      answer = await this.#answerOf(operation, request)
    } catch (error) {
      answer = this.#encodeError(operation.opcode, requestId, this.#known(error, operation.name))
    }
    this.#finish(answer, isLarge)
  }

  async #answerOf(operation: Operation, request: RequestFrame): Promise<Uint8Array> {
    const fields = parseRequest(operation, request)
    const answer = isSubscriptionOperation(operation)
      ? await this.#subscribe(operation, fields)
      : await this.#host.broker.call(operation, fields)
    return encodeAnswer(operation, request.requestId, answer)
  }

  #subscribe<Op extends Operation>(operation: Op, fields: RequestOf<Op>): Promise<AnswerOf<Op>> {
    if (!this.#isOpen) throw new MillraceError('CONNECTION_LOST')
    this.#subscriptions ??= this.#host.broker.openSubscriptions(this)
    return this.#subscriptions.call(operation, fields)
  }

  #finish(answer: Uint8Array, isLarge: boolean): void {
    this.#inFlight -= 1
    if (this.#isOpen) this.#sender.send(answer, { isLarge })
  }

  #encodeError(opcode: number, requestId: number, error: MillraceError): Uint8Array {
    this.#host.countError(error.code)
    return encodeError(opcode, requestId, error)
  }

  /** What is no MillraceError is a bug: the log gets its stack, the client no more than that. */
  #known(error: unknown, what: string): MillraceError {
    const known = error instanceof MillraceError ? error : undefined
    if (known !== undefined && known.code !== 'INTERNAL') return known
    const bug = known?.cause ?? error
    this.#host.logger.error({ ...errorFacts(bug), request: what }, 'a request failed: a bug')
    return new MillraceError('INTERNAL', undefined, { cause: bug })
  }

  /** A frame that is no request ends the connection; a bug does where it cannot be answered. */
  #violated(frame: Uint8Array, thrown: unknown): void {
    const error = this.#known(thrown, 'a frame')
    const isViolation = error.code === 'PROTOCOL_VIOLATION'
    const envelope = isViolation ? undefined : readEnvelope(frame)
    if (envelope !== undefined) {
      this.#sender.send(this.#encodeError(envelope.opcode, envelope.requestId, error))
      return
    }
    this.#host.countError(error.code)
    const { remoteAddress } = this
    this.#host.warn({ remoteAddress, error: error.message }, 'a connection was closed')
    this.end(isViolation ? closeCodes.protocolViolation : closeCodes.internal, {
      text: error.message,
    })
  }

  /**
   * Ends a connection that is no use any more, and frees what waits for it. Where something does
   * there is no close frame: it would stand behind bytes that nobody reads.
   */
  #cutOff(code: CloseCode): void {
    if (!this.#isOpen) return
    const { remoteAddress } = this
    this.#host.warn({ remoteAddress, code: code.code, name: code.name }, 'a connection was cut')
    if (this.#socket.bufferedBytes() === 0) {
      this.end(code, {})
      return
    }
    this.#endedWith = code.code
    this.#socket.terminate()
    this.closed(code.code)
  }
}
