/** Requests and bytes a second of one principal, or of one of its connections. */

import { MillraceError } from '../../errors.ts'
import { TokenBucket } from './token-bucket.ts'

export interface Rates {
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
}

export class RateLimiter {
  readonly #of: string
  #rates: Rates
  #requests: TokenBucket
  #bytes: TokenBucket

  /** `of` says in messages whose rates they are. */
  constructor(of: string, rates: Rates, now: number) {
    this.#of = of
    this.#rates = rates
    this.#requests = bucket(rates.requestsPerSecond, now)
    this.#bytes = bucket(rates.bytesPerSecond, now)
  }

  /** New rates begin with full buckets. */
  set(rates: Rates, now: number): void {
    const { requestsPerSecond, bytesPerSecond } = rates
    if (requestsPerSecond !== this.#rates.requestsPerSecond) {
      this.#requests = bucket(requestsPerSecond, now)
    }
    if (bytesPerSecond !== this.#rates.bytesPerSecond) this.#bytes = bucket(bytesPerSecond, now)
    this.#rates = rates
  }

  /** Why one more message is not taken, or undefined. Takes nothing. */
  refusal(now: number): MillraceError | undefined {
    const requests = this.#requests.waitMillis(now)
    const bytes = this.#bytes.waitMillis(now)
    if (requests === 0 && bytes === 0) return undefined
    const { requestsPerSecond, bytesPerSecond } = this.#rates
    const which =
      requests >= bytes
        ? `${requestsPerSecond} requests a second (requestsPerSecond)`
        : `${bytesPerSecond} bytes a second (bytesPerSecond)`
    return new MillraceError('LIMIT_EXCEEDED', `${this.#of} has had its ${which}`, {
      retryAfterMs: Math.max(requests, bytes),
    })
  }

  take(bytes: number): void {
    this.#requests.take(1)
    this.#bytes.take(bytes)
  }
}

/** A second's worth at once. */
function bucket(perSecond: number, now: number): TokenBucket {
  return new TokenBucket(perSecond, perSecond, now)
}
