/** Shows a newer token on an open connection before the one that it has expires. */

import { authenticate } from '../wire/access-operations.ts'
import type { Exchange } from '../wire/exchange.ts'
import type { Clock, Timer } from './clock.ts'
import { readToken, type TokenSource } from './token-source.ts'

/** When it is asked for, as a part of the time that is left. */
const renewalShare = 0.8
/** A timer that is set for longer than this runs out at once. */
const timerMillisMax = 2 ** 31 - 1

const encoder = new TextEncoder()

export class TokenRenewal {
  readonly #exchange: Pick<Exchange, 'call'>
  readonly #source: TokenSource | undefined
  readonly #clock: Clock
  #timer: Timer | undefined
  /** Counts connections, so that what was begun on one does not act on the next. */
  #round = 0

  constructor(exchange: Pick<Exchange, 'call'>, source: TokenSource | undefined, clock: Clock) {
    this.#exchange = exchange
    this.#source = source
    this.#clock = clock
  }

  /** A connection is open, and the broker says how long it knows who this is. */
  begin(expiresInMillis: number | undefined): void {
    this.stop()
    // A token that is always the same has no newer one.
    if (expiresInMillis === undefined || typeof this.#source !== 'function') return
    const round = this.#round
    const millis = Math.min(expiresInMillis * renewalShare, timerMillisMax)
    this.#timer = this.#clock.after(millis, () => void this.#renew(round))
  }

  /** The connection is gone. */
  stop(): void {
    this.#round += 1
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /**
   * Never rejects. Where there is no newer token the broker closes the connection when its time is
   * up, and the next one asks for a token and tells what is wrong.
   */
  async #renew(round: number): Promise<void> {
    try {
      const token = encoder.encode(await readToken(this.#source as TokenSource))
      if (round !== this.#round) return
      const answer = await this.#exchange.call(authenticate, { token }, { repeatable: false })
      if (round === this.#round) this.begin(answer.expiresInMillis)
    } catch {
      // As said above.
    }
  }
}
