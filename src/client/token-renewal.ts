/** Shows a newer token on an open connection before the one that it has expires. */

import { authenticate } from '../wire/access-operations.ts'
import type { Exchange } from '../wire/exchange.ts'
import { type Clock, type Timer, timerMillisMax } from './clock.ts'
import { readToken, type TokenSource } from './token-source.ts'

/** When it is asked for, as a part of the time that is left. */
const renewalShare = 0.8
/** When it is asked for again after that has failed: later each time, up to a minute. */
const pauseMillisFirst = 1000
const pauseMillisMax = 60_000
const pauseMillisMin = 100

const encoder = new TextEncoder()

export class TokenRenewal {
  readonly #exchange: Pick<Exchange, 'call'>
  readonly #source: TokenSource | undefined
  readonly #clock: Clock
  readonly #millisMax: number
  #timer: Timer | undefined
  /** Counts connections, so that what was begun on one does not act on the next. */
  #round = 0
  #expiresAt = 0
  /** How often it has failed since a token was taken. */
  #failures = 0

  /** `millisMax`: how long the source may take to answer, and then the broker. */
  constructor(
    exchange: Pick<Exchange, 'call'>,
    source: TokenSource | undefined,
    clock: Clock,
    millisMax: number,
  ) {
    this.#exchange = exchange
    this.#source = source
    this.#clock = clock
    this.#millisMax = millisMax
  }

  /** A connection is open, and the broker says how long it knows who this is. */
  begin(expiresInMillis: number | undefined): void {
    this.stop()
    // A token that is always the same has no newer one.
    if (expiresInMillis === undefined || typeof this.#source !== 'function') return
    this.#expiresAt = this.#clock.now() + expiresInMillis
    this.#failures = 0
    this.#renewAfter(expiresInMillis * renewalShare)
  }

  /** The connection is gone. */
  stop(): void {
    this.#round += 1
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #renewAfter(millis: number): void {
    const round = this.#round
    const action = () => void this.#renew(round)
    this.#timer = this.#clock.after(Math.min(millis, timerMillisMax), action)
  }

  /** Never rejects: what fails is tried again for as long as the old token is good. */
  async #renew(round: number): Promise<void> {
    try {
      const after = (millis: number, action: () => void) => this.#clock.after(millis, action)
      const given = await readToken(this.#source as TokenSource, after, this.#millisMax)
      if (round !== this.#round) return
      const token = encoder.encode(given)
      const patience = { repeatable: false, timeoutMillis: this.#millisMax } as const
      const answer = await this.#exchange.call(authenticate, { token }, patience)
      if (round === this.#round) this.begin(answer.expiresInMillis)
    } catch {
      // With the old token the broker closes the connection; the next one tells what is wrong.
      if (round === this.#round) this.#renewAgain()
    }
  }

  #renewAgain(): void {
    const leftMillis = this.#expiresAt - this.#clock.now()
    if (leftMillis <= 0) return
    this.#renewAfter(renewalPauseMillis(this.#failures, leftMillis, this.#clock.random()))
    this.#failures += 1
  }
}

/**
 * The delay before a renewal that has failed `failures` times before is tried again, in ms: jitter
 * below a ceiling that doubles, and never more than half of the time that is left. Pure.
 */
export function renewalPauseMillis(failures: number, leftMillis: number, random: number): number {
  const ceiling = Math.min(pauseMillisFirst * 2 ** Math.min(failures, 16), pauseMillisMax)
  return Math.max(Math.min(ceiling * (0.5 + random / 2), leftMillis / 2), pauseMillisMin)
}
