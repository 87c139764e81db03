/** Carries out the requests of a connection that are no puts, and keeps its subscriptions. */

import { MillraceError } from '../errors.ts'
import { authenticate } from '../wire/access-operations.ts'
import { encodeAnswer, parseRequest, type RequestFrame } from '../wire/frame.ts'
import type { AnswerOf, Operation, RequestOf } from '../wire/operations.ts'
import type { Session } from './access/session.ts'
import type { ConnectionHost } from './connection-host.ts'
import { asciiText } from './request-envelope.ts'
import {
  adminRight,
  isSubscriptionOperation,
  needOf,
  type SubscriptionSink,
  type Subscriptions,
} from './served-broker.ts'

export class Calls {
  readonly #host: Pick<ConnectionHost, 'broker' | 'gate'>
  readonly #session: Session
  readonly #sink: SubscriptionSink
  readonly #remoteAddress: string
  /** As soon as something is subscribed to: most connections never do. */
  #subscriptions: Subscriptions | undefined
  #isOpen = true

  constructor(
    host: Pick<ConnectionHost, 'broker' | 'gate'>,
    session: Session,
    sink: SubscriptionSink,
    remoteAddress: string,
  ) {
    this.#host = host
    this.#session = session
    this.#sink = sink
    this.#remoteAddress = remoteAddress
  }

  /** There are none before the first of them is asked for. */
  get subscriptions(): Subscriptions | undefined {
    return this.#subscriptions
  }

  /** Answers with the frame of the answer. Rejects with what the request is refused with. */
  async answer(request: RequestFrame): Promise<Uint8Array> {
    const { operation } = request
    const fields = parseRequest(operation, request)
    const answer = await this.#outcomeOf(operation, fields)
    if (needOf(operation)?.rights === adminRight) {
      const { streamName } = fields as { readonly streamName?: string }
      this.#session.administered(operation.name, streamName)
    }
    return encodeAnswer(operation, request.requestId, answer)
  }

  /** The connection has ended. */
  close(): void {
    this.#isOpen = false
    this.#subscriptions?.close()
  }

  #outcomeOf(operation: Operation, fields: RequestOf<Operation>): Promise<AnswerOf<Operation>> {
    if (operation.opcode === authenticate.opcode) {
      return this.#authenticate(fields as RequestOf<typeof authenticate>)
    }
    return isSubscriptionOperation(operation)
      ? this.#subscribe(operation, fields)
      : this.#host.broker.call(operation, fields, this.#session)
  }

  async #authenticate({
    token,
  }: RequestOf<typeof authenticate>): Promise<AnswerOf<typeof authenticate>> {
    const { gate } = this.#host
    const session = this.#session
    if (!gate.isOpen) {
      const identity = await gate.identify(asciiText(token), this.#remoteAddress)
      this.#requireOpen()
      session.take(identity)
      this.#subscriptions?.recheck(session)
    }
    const { principal, expiresInMillis, messageBytesMax: frameBytesMax } = session
    return { principal, expiresInMillis, frameBytesMax }
  }

  async #subscribe<Op extends Operation>(
    operation: Op,
    fields: RequestOf<Op>,
  ): Promise<AnswerOf<Op>> {
    this.#requireOpen()
    this.#subscriptions ??= this.#host.broker.openSubscriptions(this.#sink)
    return await this.#subscriptions.call(operation, fields, this.#session)
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new MillraceError('CONNECTION_LOST')
  }
}
