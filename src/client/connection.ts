/**
 * Carries requests to a broker over one socket at a time, and opens the next one when that is lost.
 *
 * A request waits while there is no connection, while as many as the broker allows are on their
 * way, and while the socket has not sent off what it has. It is sent again after a lost connection
 * where that cannot do harm; request-table.ts has the rules.
 */

import { MillraceError } from '../errors.ts'
import { encodeRequest, parseAnswer } from '../wire/frame.ts'
import {
  type AnswerOf,
  type Operation,
  operationsByOpcode,
  type RequestOf,
  type Welcome,
} from '../wire/operations.ts'
import { encodeCredit } from '../wire/pushes.ts'
import type { Exchange, ExchangeOptions } from '../wire/verbs.ts'
import { readAnswerHead } from './answer-head.ts'
import { isArrayFrame, isWelcome, refusalIn, valuesOf, welcomeIn } from './answers.ts'
import { closeText } from './backoff.ts'
import { type Clock, type Timer, timerMillisMax } from './clock.ts'
import type { Emitter } from './emitter.ts'
import { Patience } from './patience.ts'
import { PushRouter } from './push-router.ts'
import { lossText, Reconnecting } from './reconnecting.ts'
import { Request } from './request.ts'
import { RequestTable } from './request-table.ts'
import { bufferedBytesMax, type OpenSocket, type Socket, type SocketEvents } from './socket.ts'
import { TokenRenewal } from './token-renewal.ts'
import { readToken, type TokenSource } from './token-source.ts'

/** How long a broker may take to say welcome. */
const welcomeMillisMax = 10_000
/** How long a broker that takes no more requests may take to close the connection. */
const drainMillisMax = 10_000
/** A connection that lived so long, or answered anything, has ended the row of failed attempts. */
const goodConnectionMillis = 5000
/** What stands for the close of a connection for which there was no token. */
const noToken = 1006
/** How long a token may be waited for where nothing else is said. */
const tokenMillisDefault = 10_000

export type ConnectionState = 'connecting' | 'open' | 'reconnecting' | 'closed'

export interface ConnectionEvents {
  state: ConnectionState
}

export interface ConnectionOptions {
  readonly url: string
  readonly openSocket: OpenSocket
  readonly clock: Clock
  readonly events: Emitter<ConnectionEvents>
  /** Whether a lost connection is followed by another one. */
  readonly reconnect: boolean
  /** Requests on their way at most; the broker's own bound holds as well. */
  readonly inFlightMax: number
  /** For calls that bring none; undefined: they wait as long as it takes. */
  readonly timeoutMillis: number | undefined
  /** Who the client is; undefined where the broker need not know. */
  readonly token?: TokenSource | undefined
  /** How long its function may take, in ms. */
  readonly tokenMillisMax?: number | undefined
}

/** Is told what becomes of a request in the moment in which it is known. */
export interface Settle<Answer> {
  answered(answer: Answer): void
  failed(error: unknown): void
}

export class Connection implements Exchange {
  readonly #options: ConnectionOptions
  /** What comes unasked. */
  readonly pushes: PushRouter = new PushRouter()
  readonly #requests = new RequestTable()
  readonly #renewal: TokenRenewal
  readonly #reconnecting: Reconnecting
  readonly #tokenMillisMax: number
  #state: ConnectionState = 'connecting'
  #socket: Socket | undefined
  #welcome: Welcome | undefined
  #openedAt = 0
  #draining = false
  /** Why this side has let go of the socket. */
  #letGoBecause = ''
  /** Of the state: until the next attempt, for the welcome, or for the end of a drain. */
  #timer: Timer | undefined
  /** Why nothing is carried any more. */
  #end: unknown
  #lastLoss = ''
  /** Those who wait until the socket is gone: `close` may be called any number of times. */
  readonly #leaving = new Set<() => void>()
  readonly #waiters = new Set<{ opened(welcome: Welcome): void; ended(error: unknown): void }>()

  constructor(options: ConnectionOptions) {
    this.#options = options
    const { token, clock, reconnect, tokenMillisMax = tokenMillisDefault } = options
    this.#tokenMillisMax = tokenMillisMax
    this.#renewal = new TokenRenewal(this, token, clock, tokenMillisMax)
    this.#reconnecting = new Reconnecting({ reconnect, hasNewTokens: typeof token === 'function' })
    this.#connect()
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Whether nothing is carried any more, for good. */
  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  /** Why the last connection was lost, for messages; empty where none was. */
  get lastLoss(): string {
    return this.#lastLoss
  }

  /** The newest one. */
  get welcome(): Welcome | undefined {
    return this.#welcome
  }

  /** Answers at the first welcome; rejects when the connection ends before. */
  opened(): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) reject(this.#end)
      else if (this.#welcome !== undefined) resolve(this.#welcome)
      else this.#waiters.add({ opened: resolve, ended: reject })
    })
  }

  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    const encode = (id: number) => encodeRequest(operation, id, request)
    return parseAnswer(operation, valuesOf(await this.put(encode, options)))
  }

  /**
   * As `call`, without a promise: `settle` has the answer before the frame that follows it is
   * looked at. Throws what `call` rejects with at once.
   */
  callAtOnce<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
    settle: Settle<AnswerOf<Op>>,
  ): void {
    this.#request((id) => encodeRequest(operation, id, request), options, {
      resolve: (frame) => settle.answered(parseAnswer(operation, valuesOf(frame))),
      reject: (error) => settle.failed(error),
    })
  }

  put(makeFrame: (requestId: number) => Uint8Array, options: ExchangeOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#request(makeFrame, options, { resolve, reject })
    })
  }

  /** Returns credit of a subscription; without effect while there is no connection. */
  giveBack(subscriptionId: number, bytes: number): void {
    if (this.#state === 'open') this.#socket?.send(encodeCredit(subscriptionId, bytes))
  }

  #request(
    makeFrame: (requestId: number) => Uint8Array,
    options: ExchangeOptions,
    settle: Pick<Request, 'resolve' | 'reject'>,
  ): void {
    if (this.#end !== undefined) throw this.#end
    options.signal?.throwIfAborted()
    const id = this.#requests.newId()
    const frame = makeFrame(id)
    const opcode = frame[1] as number
    const name = operationsByOpcode.get(opcode)?.name ?? `operation ${opcode}`
    const { clock, timeoutMillis } = this.#options
    const patience = new Patience(clock, name, { timeoutMillis, ...options })
    const request = new Request({ id, opcode, name, frame, ...options, ...settle, patience })
    patience.begin((reason) => request.reject(reason))
    this.#requests.add(request)
    this.#timer?.keepAlive(true)
    this.#send()
  }

  /** Ends it: what waits and what comes rejects with `error`. */
  end(error: unknown, code = 1000, reason = ''): void {
    if (this.#end !== undefined) return
    this.#end = error
    this.#timer?.cancel()
    this.#renewal.stop()
    this.#requests.rejectAll(error)
    this.pushes.lose(error)
    for (const waiter of this.#waiters) waiter.ended(error)
    this.#waiters.clear()
    this.#socket?.close(code, reason)
    this.#become('closed')
  }

  /** Answers once the socket is gone. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket === undefined) resolve()
      else this.#leaving.add(resolve)
    })
  }

  #become(state: ConnectionState): void {
    if (this.#state === state) return
    this.#state = state
    this.#options.events.emit('state', state)
  }

  #after(millis: number, action: () => void): Timer {
    this.#timer?.cancel()
    const timer = this.#options.clock.after(Math.min(millis, timerMillisMax), action)
    timer.keepAlive(this.#requests.hasCallers || this.#waiters.size > 0)
    this.#timer = timer
    return timer
  }

  #connect(): void {
    const { token } = this.#options
    if (token === undefined) this.#openSocket()
    else void this.#openWithToken(token)
  }

  /** Never rejects: without a token the attempt to connect has failed. */
  async #openWithToken(source: TokenSource): Promise<void> {
    try {
      const after = (millis: number, action: () => void) => this.#after(millis, action)
      const token = await readToken(source, after, this.#tokenMillisMax)
      if (this.#end === undefined) this.#openSocket(token)
    } catch (error) {
      if (this.#end === undefined) this.#hasNoToken(error)
    }
  }

  #hasNoToken(error: unknown): void {
    if (error instanceof MillraceError && error.code === 'UNAUTHENTICATED') this.end(error)
    else this.#lost(noToken, `no token: ${error instanceof Error ? error.message : String(error)}`)
  }

  #openSocket(token?: string): void {
    const socket: Socket = this.#options.openSocket(
      this.#options.url,
      this.#eventsOf(() => socket),
      token,
    )
    this.#socket = socket
    this.#letGoBecause = ''
    this.#after(welcomeMillisMax, () => {
      this.#letGo(`no welcome came within ${welcomeMillisMax} ms`)
    })
  }

  /** What the socket itself has to say of this is that it was let go. */
  #letGo(because: string): void {
    this.#letGoBecause = because
    this.#socket?.terminate()
  }

  #eventsOf(socket: () => Socket): SocketEvents {
    return {
      message: (frame) => {
        if (this.#end === undefined) this.#received(frame)
      },
      textMessage: () => this.#violated('the broker sent a text message'),
      drained: () => this.#send(),
      closed: (code, reason) => {
        if (this.#socket === socket()) this.#lost(code, this.#letGoBecause || reason)
      },
    }
  }

  #received(frame: Uint8Array): void {
    try {
      if (!isArrayFrame(frame)) throw new MillraceError('PROTOCOL_VIOLATION', 'wanted an array')
      if (this.pushes.take(frame)) return
      if (isWelcome(frame)) this.#welcomed(frame)
      // What a newer broker may send besides is not for this client.
      else if (operationsByOpcode.has(frame[1] as number)) this.#answered(frame)
    } catch (error) {
      // Whoever cannot be understood once cannot be trusted with what follows.
      this.#violated(error instanceof Error ? error.message : String(error))
    }
  }

  #welcomed(frame: Uint8Array): void {
    const welcome = welcomeIn(frame)
    this.#timer?.cancel()
    this.#timer = undefined
    const { authenticated, expiresInMillis } = welcome
    if (authenticated === false) {
      this.end(new MillraceError('UNAUTHENTICATED', this.#unknownText()))
      return
    }
    this.#reconnecting.welcomed()
    this.#renewal.begin(expiresInMillis)
    this.#welcome = welcome
    this.#openedAt = this.#options.clock.now()
    this.#draining = false
    this.#become('open')
    for (const waiter of this.#waiters) waiter.opened(welcome)
    this.#waiters.clear()
    this.#send()
  }

  #answered(frame: Uint8Array): void {
    const { opcode, requestId, worked } = readAnswerHead(frame)
    const refusal = worked ? undefined : refusalIn(frame)
    const request = this.#requests.take(requestId, opcode)
    this.#reconnecting.worked()
    if (refusal === undefined) request.resolve(frame)
    else if (refusal.code === 'SERVER_CLOSING' && !request.settled) this.#postpone(request)
    else request.reject(refusal)
    this.#send()
  }

  /**
   * The broker shuts down and has not carried it out, that is certain: any request may be sent
   * again once there is a broker.
   */
  #postpone(request: Request): void {
    this.#requests.putBack(request)
    if (this.#draining) return
    this.#draining = true
    this.#after(drainMillisMax, () => {
      this.#letGo(`the broker has not closed it within ${drainMillisMax} ms of its stop`)
    })
  }

  #send(): void {
    if (this.#state !== 'open' || this.#draining) return
    const socket = this.#socket as Socket
    const { frameBytesMax, requestsInFlightMax } = this.#welcome as Welcome
    const inFlightMax = Math.min(requestsInFlightMax, this.#options.inFlightMax)
    while (socket.bufferedBytes < bufferedBytesMax) {
      const request = this.#requests.next(inFlightMax)
      if (request === undefined) return
      const refusal = request.refusal(frameBytesMax, this.#options.clock.now())
      if (refusal !== undefined) {
        this.#requests.take(request.id, request.opcode)
        request.reject(refusal)
      } else {
        request.sentAt ??= this.#options.clock.now()
        socket.send(request.frame)
      }
    }
  }

  #violated(what: string): void {
    const text = `the broker broke the protocol: ${what}`
    this.end(new MillraceError('PROTOCOL_VIOLATION', text), 4500, 'PROTOCOL_VIOLATION')
  }

  #lost(code: number, reason: string): void {
    this.#socket = undefined
    this.#timer?.cancel()
    this.#renewal.stop()
    for (const gone of this.#leaving) gone()
    this.#leaving.clear()
    if (this.#end !== undefined) return
    this.#lastLoss = closeText(code, reason)
    if (this.#state === 'open' && this.#age() >= goodConnectionMillis) this.#reconnecting.worked()
    const { url, clock } = this.#options
    const text = lossText(url, this.#welcome !== undefined, code, reason)
    const next = this.#reconnecting.lost(code, reason, text, clock.random())
    if (next instanceof MillraceError) {
      this.end(next)
      return
    }
    this.#requests.lose(code === 1006, this.#lastLoss)
    this.pushes.lose(new MillraceError('CONNECTION_LOST', text), 'lost')
    this.#become(this.#welcome === undefined ? 'connecting' : 'reconnecting')
    this.#after(next, () => this.#connect())
  }

  #unknownText(): string {
    return `the broker at ${this.#options.url} wants to know who this is: connect with a token`
  }

  #age(): number {
    return this.#options.clock.now() - this.#openedAt
  }
}
