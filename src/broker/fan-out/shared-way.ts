/** What the subscriptions of a connection share: where they send to, and a bound for all of it. */

import type { Credit } from './credit.ts'
import type { SubscriptionSink } from './sink.ts'

/** Who waits for credit. */
interface Waiting {
  resume(): void
}

export class SharedWay {
  readonly sink: SubscriptionSink
  readonly credit: Credit
  /** Whether the sink takes no slices for now. */
  isPaused = false
  /** Whether a slice is still to be sent: what it will do to `isPaused` is not known yet. */
  hasUnsent = false
  /** Whether the sink takes nothing any more. */
  isClosed = false
  /** Counts how often credit came back. */
  returns = 0
  /** In their order; nobody sends before the first of them can. */
  readonly #waiting: Waiting[] = []
  /** Who was the first of them, and has not sent yet: it may ask again. */
  #turn: Waiting | undefined

  constructor(sink: SubscriptionSink, credit: Credit) {
    this.sink = sink
    this.credit = credit
  }

  /** Whether the sink is known to take a slice. */
  get isReady(): boolean {
    return !this.isPaused && !this.hasUnsent
  }

  /** Whether a subscription can send so many bytes; it waits for its turn where it cannot. */
  allows(subscription: Waiting, bytes: number): boolean {
    const isAllowed = this.credit.allows(bytes)
    if (isAllowed && (this.#waiting.length === 0 || this.#turn === subscription)) return true
    this.#turn = undefined
    if (isAllowed && this.#waiting[0] === subscription) {
      this.#waiting.shift()
      this.#turn = subscription
      this.#waiting[0]?.resume()
      return true
    }
    if (!this.#waiting.includes(subscription)) this.#waiting.push(subscription)
    return false
  }

  take(bytes: number): void {
    this.credit.take(bytes)
    this.#turn = undefined
  }

  isWaiting(subscription: Waiting): boolean {
    return this.#waiting.includes(subscription)
  }

  giveBack(bytes: number): void {
    this.returns += 1
    this.credit.giveBack(bytes)
    this.#waiting[0]?.resume()
  }

  /** The subscription has ended; what it had on its way counts no more. */
  leave(subscription: Waiting, bytesOut: number): void {
    if (this.#turn === subscription) this.#turn = undefined
    const at = this.#waiting.indexOf(subscription)
    if (at >= 0) this.#waiting.splice(at, 1)
    this.credit.giveBack(bytesOut)
    this.#waiting[0]?.resume()
  }
}
