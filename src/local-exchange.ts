/** The broker in the same process, as what carries requests and subscriptions. */

import type { Broker } from './broker/broker.ts'
import { systemClock } from './client/clock.ts'
import { Patience } from './client/patience.ts'
import type { PushExchange, SubscriptionLine } from './client/push-exchange.ts'
import { MillraceError } from './errors.ts'
import { LocalLine } from './local-line.ts'
import { checkRequest, decodeBrokerFrame } from './wire/frame.ts'
import type { AnswerOf, Operation, RequestOf } from './wire/operations.ts'
import type { ExchangeOptions } from './wire/verbs.ts'

/** Carries requests to a broker in the same process, and what it pushes back. */
export class LocalExchange implements PushExchange {
  readonly #broker: Broker
  readonly #lines = new Set<LocalLine>()

  constructor(broker: Broker) {
    this.#broker = broker
  }

  openLine(): SubscriptionLine {
    const line = new LocalLine(this.#broker, () => this.#lines.delete(line))
    this.#lines.add(line)
    return line
  }

  /** Ends all subscriptions: the broker is about to close. */
  close(): void {
    for (const it of this.#lines) it.end(new MillraceError('SERVER_CLOSING'))
  }

  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    options: ExchangeOptions,
  ): Promise<AnswerOf<Op>> {
    options.signal?.throwIfAborted()
    const checked = checkRequest(operation, request)
    return await withPatience(this.#broker.call(operation, checked), operation.name, options)
  }

  async put(
    makeFrame: (requestId: number) => Uint8Array,
    options: ExchangeOptions,
  ): Promise<Uint8Array> {
    options.signal?.throwIfAborted()
    const frame = makeFrame(0)
    const answered = new Promise<Uint8Array>((resolve) => this.#broker.put(frame, resolve))
    const answer = await withPatience(answered, 'a put', options)
    const decoded = decodeBrokerFrame(answer)
    if (decoded.kind === 'error') throw decoded.error
    return answer
  }
}

/** What comes first: the answer, or the end of the caller's patience. */
async function withPatience<Answer>(
  answer: Promise<Answer>,
  name: string,
  options: ExchangeOptions,
): Promise<Answer> {
  if (options.signal === undefined && options.timeoutMillis === undefined) return await answer
  const patience = new Patience(systemClock, name, options)
  const over = new Promise<never>((_, reject) => patience.begin(reject))
  return await Promise.race([answer, over]).finally(() => patience.end())
}
