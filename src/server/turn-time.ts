/**
 * How much of a turn of the event loop goes to large answers, those of all connections: what comes
 * when its time is over is for a later turn, so that everybody else is heard in between. Each
 * connection has one at a time, but there is room for dozens of connections.
 */

export interface TurnLimits {
  /** One answer more may be begun within it, and takes as long as it takes. */
  readonly turnMillisMax: number
}

export class TurnTime {
  readonly #turnMillisMax: number
  readonly #now: () => number
  #startedAt: number | undefined

  /** `now` in milliseconds, of which only differences matter. */
  constructor({ turnMillisMax }: TurnLimits, now: () => number) {
    this.#turnMillisMax = turnMillisMax
    this.#now = now
  }

  /** Whether there is time in this turn. */
  hasTime(): boolean {
    const now = this.#now()
    if (this.#startedAt !== undefined) return now - this.#startedAt < this.#turnMillisMax
    this.#startedAt = now
    setImmediate(() => {
      this.#startedAt = undefined
    })
    return true
  }

  /** Resolves in a later turn that has time. What follows runs before the next one is asked. */
  async later(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (!this.hasTime())
  }
}
