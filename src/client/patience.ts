/** What makes a caller stop waiting: its signal, or its time is up. */

import { MillraceError } from '../errors.ts'
import type { CallOptions } from '../wire/verbs.ts'
import type { Clock, Timer } from './clock.ts'
import { onAbort } from './on-abort.ts'

export class Patience {
  readonly #clock: Clock
  readonly #name: string
  readonly #options: CallOptions
  #timer: Timer | undefined
  #forget: (() => void) | undefined

  /** `name` says in messages what is waited for. */
  constructor(clock: Clock, name: string, options: CallOptions) {
    this.#clock = clock
    this.#name = name
    this.#options = options
  }

  /** Calls `over`, with the error, when there is no more patience. */
  begin(over: (reason: unknown) => void): void {
    const { signal, timeoutMillis } = this.#options
    this.#forget = onAbort(signal, () => over(signal?.reason))
    if (timeoutMillis !== undefined && timeoutMillis !== Number.POSITIVE_INFINITY) {
      const text =
        `no answer to ${this.#name} within ${timeoutMillis} ms (timeoutMillis); ` +
        'whether it was carried out is not known'
      this.#timer = this.#clock.after(timeoutMillis, () =>
        over(new MillraceError('CONNECTION_LOST', text)),
      )
    }
  }

  /** What was waited for has come. */
  end(): void {
    this.#timer?.cancel()
    this.#forget?.()
  }
}
