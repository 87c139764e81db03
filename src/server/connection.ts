/**
 * One connection: hands frames to the broker, answers, forgets.
 *
 * Rule 1: a frame is only lent. Its memory is the receive buffer of the event loop and is taken
 * away when `receive` returns, so everything that outlives the call is copied before it returns:
 * the broker appends puts within the call, and control messages are decoded into copies.
 */

import { MillraceError } from '../errors.ts'
import { authenticate } from '../wire/access-operations.ts'
import { type CloseCode, closeCodes, closeReason } from '../wire/close-codes.ts'
import { decodeRequest, encodeError, type RequestFrame } from '../wire/frame.ts'
import { describeStream, getRecords, listShards, listStreams } from '../wire/operations.ts'
import { decodeCredit, isCreditFrame } from '../wire/pushes.ts'
import { isPutFrame } from '../wire/put-frame.ts'
import type { Identity } from './access/identity.ts'
import { Session } from './access/session.ts'
import { addressBlock } from './address-block.ts'
import { isLoopbackAddress } from './admission.ts'
import { AnswerSender } from './answer-sender.ts'
import { Calls } from './calls.ts'
import type { ConnectionHost } from './connection-host.ts'
import { FrameGuard } from './frame-guard.ts'
import { Liveness } from './liveness.ts'
import { errorFacts } from './logger.ts'
import { readEnvelope, refusalOfUnknown } from './request-envelope.ts'
import type { SubscriptionSink } from './served-broker.ts'
import type { Socket, SocketHandler } from './transport.ts'
import { TurnQueue } from './turn-queue.ts'
import type { Answered } from './unread-answers.ts'

const protocolVersion = 1

/** Operations whose answers can be large. */
const inTurns: ReadonlySet<number> = new Set(
  [getRecords, listShards, listStreams, describeStream].map((it) => it.opcode),
)

function sharerOf(remoteAddress: string): string | undefined {
  return isLoopbackAddress(remoteAddress) ? undefined : addressBlock(remoteAddress)
}

export class Connection implements Answered, SocketHandler, SubscriptionSink {
  readonly remoteAddress: string
  readonly #host: ConnectionHost
  readonly #socket: Socket
  readonly #sender: AnswerSender
  readonly #turns: TurnQueue<RequestFrame>
  readonly #session: Session
  readonly #guard: FrameGuard
  readonly #answerPut: (answer: Uint8Array) => void
  readonly #calls: Calls
  #inFlight = 0
  #isOpen = true
  #endedWith: number | undefined
  readonly #liveness: Liveness
  #isAuthenticating = false
  readonly #addressSharer: string | undefined

  /** `identity`: of a client that was known before there was a connection. */
  constructor(host: ConnectionHost, socket: Socket, identity?: Identity) {
    this.#host = host
    this.#socket = socket
    this.remoteAddress = socket.remoteAddress
    // Once: it is asked for again and again.
    this.#addressSharer = host.gate.isOpen ? sharerOf(socket.remoteAddress) : undefined
    this.#liveness = new Liveness(host.limits, host.now())
    this.#sender = new AnswerSender(socket, host.limits, {
      flushLater: () => host.flushLater(this),
      overflow: () => this.stalled(),
      now: host.now,
    })
    this.#turns = new TurnQueue(
      (request) => this.#answerLarge(request),
      () => this.#isOpen && this.#sender.isClear() && host.unread.mayBegin(this),
    )
    this.#answerPut = (answer) => this.#finish(answer, false)
    this.#session = new Session(host.gate, socket.remoteAddress, identity, (text) =>
      this.end(closeCodes.expired, { text }),
    )
    this.#guard = new FrameGuard(host, this.#session)
    this.#calls = new Calls(host, this.#session, this, socket.remoteAddress)
    this.#sender.beginReceiving()
    const { subscriptionsMax, connectionCreditBytesMax } = host.broker.fanOutLimits
    this.#sender.send(
      host.welcomes.of({
        protocolVersion,
        brokerVersion: host.brokerVersion,
        frameBytesMax: this.#session.messageBytesMax,
        requestsInFlightMax: host.limits.requestsInFlightMax,
        authenticated: this.#session.isKnown,
        expiresInMillis: this.#session.expiresInMillis,
        subscriptionsMax,
        connectionCreditBytesMax,
      }),
    )
    this.#sender.endReceiving()
  }

  /** Where nobody is asked who they are, an address stands for who is behind it. */
  get sharer(): string | undefined {
    return this.#host.gate.isOpen ? this.#addressSharer : this.#session.principal
  }

  /** Requests that wait for their answers. */
  get inFlight(): number {
    return this.#inFlight
  }

  bufferedBytes(): number {
    return this.#isOpen ? this.#socket.bufferedBytes() : 0
  }

  takenBytes(): number {
    return this.#isOpen ? this.#sender.takenBytes() : 0
  }

  /** Whether nothing is left to be answered or to be sent. */
  isQuiet(): boolean {
    return !this.#isOpen || (this.#inFlight === 0 && this.#sender.isEmpty())
  }

  /** When the client last took something, where something has been waiting ever since. */
  stalledSince(): number | undefined {
    return this.#sender.stalledSince()
  }

  /** Large answers that waited for room may be made now. */
  advance(): void {
    this.#turns.advance()
  }

  receive(frame: Uint8Array, isBinary: boolean): void {
    this.#liveness.heard()
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
    this.#host.unread.relieved(this, false)
    this.#turns.advance()
    this.#calls.subscriptions?.drained()
    this.#endIfOver()
  }

  /** Sends a frame of a subscription. */
  push(frame: Uint8Array): boolean {
    return this.#sender.push(frame)
  }

  /** A client that returns no credit, or does not read where memory is short. */
  stalled(): void {
    this.#cutOff(closeCodes.slowConsumer)
  }

  /** Sends nothing to subscriptions any more, once each has heard where it stands. */
  stopPushes(): void {
    this.#calls.subscriptions?.finish()
  }

  /** Who may do what has changed: acts on what is open, too. */
  accessChanged(): void {
    if (!this.#isOpen) return
    if (this.#session.renew()) this.#calls.subscriptions?.recheck(this.#session)
    else this.end(closeCodes.expired, { text: 'the token is not valid any more' })
  }

  ponged(): void {
    this.#liveness.heard()
  }

  closed(code: number): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#session.close()
    this.#calls.close()
    this.#sender.discard()
    this.#turns.clear()
    this.#host.unread.relieved(this, true)
    this.#host.gone(this, this.#endedWith ?? code)
  }

  flush(): void {
    if (!this.#isOpen) return
    this.#sender.flush()
    this.#endIfOver()
  }

  /** Ends the connection with a code and the reason that belongs to it. */
  end(code: CloseCode, details: { readonly retryAfterMs?: number; readonly text?: string }): void {
    if (!this.#isOpen) return
    this.#endedWith = code.code
    this.#socket.close(code, closeReason(code, details))
    this.closed(code.code)
  }

  /** When it was asked for a sign of life of which none has come; undefined: it owes none. */
  get probedAt(): number | undefined {
    return this.#liveness.probedAt
  }

  /** Asks for a sign of life: who is in the middle of a message has none before it is complete. */
  probe(now: number): void {
    if (!this.#isOpen) return
    this.#liveness.probed(now)
    this.#socket.ping()
  }

  /** Ends it at once, without a close frame: what it has sent of a message is free with that. */
  abandon(): void {
    if (this.#isOpen) this.#drop(closeCodes.silent)
  }

  /** Looks for peers that are gone or do not read: to be called every few seconds. */
  inspect(now: number): void {
    if (!this.#isOpen) return
    this.#endIfOver(this.#liveness.endsNow(now))
    if (!this.#isOpen) return
    const found = this.#liveness.look(now, this.#sender.stalledSince())
    if (found === 'stalled') this.#cutOff(closeCodes.slowConsumer)
    else if (found === 'quiet') this.#socket.ping()
    // One that hangs returns no credit, either, and has more time for that.
    else if (found === 'silent' && this.#calls.subscriptions?.owesCredit() !== true) {
      this.#cutOff(closeCodes.silent)
    }
  }

  /** Ends the connection whose time is over when it has its answers, or now. */
  #endIfOver(isLate = false): void {
    if (!this.#liveness.isOver || !(isLate || this.isQuiet())) return
    this.stopPushes()
    this.end(closeCodes.restart, { text: 'its time is over (connectionMillisMax)' })
  }

  #receive(frame: Uint8Array, isBinary: boolean): void {
    if (!isBinary) throw new MillraceError('PROTOCOL_VIOLATION', 'a text frame; use binary ones')
    if (!this.#session.isKnown) {
      this.#receiveUnknown(frame)
      return
    }
    if (isCreditFrame(frame)) {
      this.#credit(frame)
      return
    }
    const isPut = isPutFrame(frame)
    const refusal = this.#guard.refusal(frame, this.#inFlight, this.#liveness.isOver)
    if (refusal !== undefined) {
      this.#refuse(frame, refusal)
    } else if (isPut) {
      this.#put(frame)
    } else {
      this.#call(frame)
    }
  }

  #credit(frame: Uint8Array): void {
    if (!this.#mayGoOn()) return
    const { subscriptionId, bytes } = decodeCredit(frame)
    this.#calls.subscriptions?.credit(subscriptionId, bytes)
  }

  /** Ends the connection where it sends too much of what costs it nothing. */
  #mayGoOn(): boolean {
    const tooMany = this.#guard.otherFrame(this.remoteAddress)
    if (tooMany !== undefined) this.end(closeCodes.tooMany, tooMany)
    return tooMany === undefined
  }

  /** Rule 56: the first message is Authenticate, and nothing goes on before it is answered. */
  #receiveUnknown(frame: Uint8Array): void {
    const { unauthenticatedMessageBytesMax } = this.#host.gate.limits
    const refusal = refusalOfUnknown(frame, unauthenticatedMessageBytesMax)
    if (refusal === undefined && !this.#isAuthenticating) {
      this.#isAuthenticating = true
      this.#call(frame)
      return
    }
    this.#refuse(frame, refusal ?? new MillraceError('UNAUTHENTICATED'))
    if (!this.#isAuthenticating) this.#turnAway(refusal as MillraceError)
  }

  /** Ends the connection of a client that is not known, once it has read why. */
  #turnAway(error: MillraceError): void {
    this.flush()
    const { code, retryAfterMs } = error
    if (code === 'LIMIT_EXCEEDED') {
      this.end(closeCodes.tooMany, retryAfterMs === undefined ? {} : { retryAfterMs })
    } else {
      this.end(closeCodes.unauthenticated, { text: error.message })
    }
  }

  #refuse(frame: Uint8Array, error: MillraceError): void {
    const envelope = readEnvelope(frame)
    if (envelope === undefined) {
      throw new MillraceError('PROTOCOL_VIOLATION', `unreadable, and ${error.message}`)
    }
    if (!this.#mayGoOn()) return
    this.#sender.send(this.#encodeError(envelope.opcode, envelope.requestId, error))
  }

  #put(frame: Uint8Array): void {
    this.#inFlight += 1
    try {
      this.#host.broker.put(frame, this.#answerPut, this.#session)
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

  async #answerLarge(request: RequestFrame): Promise<void> {
    const { unread, turnTime } = this.#host
    unread.begin(this)
    if (!turnTime.hasTime()) await turnTime.later()
    await this.#carryOut(request, true)
    unread.end(this)
  }

  async #carryOut(request: RequestFrame, isLarge: boolean): Promise<void> {
    const { operation, requestId } = request
    let answer: Uint8Array
    let refused: MillraceError | undefined
    try {
      answer = await this.#calls.answer(request)
    } catch (error) {
      refused = this.#known(error, operation.name)
      answer = this.#encodeError(operation.opcode, requestId, refused)
    }
    this.#finish(answer, isLarge)
    if (!this.#isAuthenticating || operation.opcode !== authenticate.opcode) return
    this.#isAuthenticating = false
    if (refused !== undefined) this.#turnAway(refused)
  }

  #finish(answer: Uint8Array, isLarge: boolean): void {
    this.#inFlight -= 1
    if (!this.#isOpen) return
    this.#sender.send(answer, { isLarge })
    if (isLarge) this.#endIfOver()
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
   * there is no close frame: it would stand behind bytes that nobody reads. Else subscriptions hear
   * where they stand first.
   */
  #cutOff(code: CloseCode): void {
    if (!this.#isOpen) return
    const { remoteAddress } = this
    this.#host.warn({ remoteAddress, code: code.code, name: code.name }, 'a connection was cut')
    const isReading = () => this.#socket.bufferedBytes() === 0
    const text = isReading() ? this.#calls.subscriptions?.finish() : undefined
    if (isReading()) this.end(code, text === undefined ? {} : { text })
    else this.#drop(code)
  }

  #drop(code: CloseCode): void {
    this.#endedWith = code.code
    this.#socket.terminate()
    this.closed(code.code)
  }
}
