/** A rate with a burst. Where one is left, any amount may be taken, and is paid later. Pure. */

const millisPerSecond = 1000
/** Whoever waits as long as was said must not be told to wait again by a rounding error. */
const one = 1 - 1e-6

export class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  #level: number
  #filledAt: number

  /** Full at first. `now` in milliseconds of a clock that never goes back. */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#level = burst
    this.#filledAt = now
  }

  /** Milliseconds until something may be taken; 0: now. */
  waitMillis(now: number): number {
    this.#fill(now)
    if (this.#level >= one) return 0
    return Math.max(1, Math.ceil(((1 - this.#level) * millisPerSecond) / this.#perSecond))
  }

  take(amount: number): void {
    this.#level -= amount
  }

  isFull(now: number): boolean {
    this.#fill(now)
    return this.#level >= this.#burst
  }

  #fill(now: number): void {
    const gained = ((now - this.#filledAt) * this.#perSecond) / millisPerSecond
    this.#level = Math.min(this.#burst, this.#level + gained)
    this.#filledAt = now
  }
}
