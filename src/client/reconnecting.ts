/** Whether a lost connection is followed by another one, and when. No sockets and no timers. */

import type { MillraceError } from '../errors.ts'
import { backoffMillis, closeText, retryAfterOf, stopError } from './backoff.ts'
import { ConnectionEndedError } from './connection-ended-error.ts'

/** So many tokens of a function may be refused one after the other: a clock may be late ... */
const refusedTokensMax = 5
/** ... and the first of them is given as long as a failed attempt so far down the row. */
const refusedTokenAttempt = 2

export interface ReconnectRules {
  /** Whether a lost connection is followed by another one. */
  readonly reconnect: boolean
  /** Whether another attempt may come with another token. */
  readonly hasNewTokens: boolean
}

export class Reconnecting {
  readonly #rules: ReconnectRules
  /** Attempts that failed one after the other. */
  #attempt = 0
  #refusedTokens = 0

  constructor(rules: ReconnectRules) {
    this.#rules = rules
  }

  /** The broker has taken the token. */
  welcomed(): void {
    this.#refusedTokens = 0
  }

  /** The connection was of use: the row of failed attempts has ended. */
  worked(): void {
    this.#attempt = 0
  }

  /**
   * The delay before the next attempt, in ms, or the error with which all ends. `text` says what
   * was lost; `random` is from 0 up to 1.
   */
  lost(code: number, reason: string, text: string, random: number): number | MillraceError {
    const stop = stopError(code, reason)
    if (stop !== undefined && !this.#mayComeWithAnother(stop)) return stop
    if (!this.#rules.reconnect) return new ConnectionEndedError(text)
    const attempt = this.#attempt + (stop === undefined ? 0 : refusedTokenAttempt)
    this.#attempt += 1
    return backoffMillis(attempt, random, retryAfterOf(reason))
  }

  #mayComeWithAnother({ code }: MillraceError): boolean {
    const { reconnect, hasNewTokens } = this.#rules
    if (code !== 'UNAUTHENTICATED' || !hasNewTokens || !reconnect) return false
    this.#refusedTokens += 1
    return this.#refusedTokens < refusedTokensMax
  }
}

/** What was lost, and how: `url` stands for the broker. */
export function lossText(url: string, wasOpen: boolean, code: number, reason: string): string {
  const what = wasOpen ? 'was lost' : 'could not be made'
  return `the connection to ${url} ${what}: ${closeText(code, reason)}`
}
