/** Of the credit of a broker nobody gets more than a share, many as their subscriptions may be. */

import { SharedCredit, type Sharing } from './shared-credit.ts'

/** What a subscription takes from: the share of whose it is, and what there is for all. */
export class CreditShare {
  readonly #own: SharedCredit
  readonly #total: SharedCredit
  readonly #leave: () => void

  constructor(own: SharedCredit, total: SharedCredit, leave: () => void) {
    this.#own = own
    this.#total = total
    this.#leave = leave
  }

  roomFor(it: Sharing): number {
    return Math.min(this.#own.roomFor(it), this.#total.roomFor(it))
  }

  /** Whether so many bytes can be sent; whoever asks is woken later where they cannot. */
  allows(asking: Sharing, bytes: number): boolean {
    return this.#own.allows(asking, bytes) && this.#total.allows(asking, bytes)
  }

  take(bytes: number): void {
    this.#own.take(bytes)
    this.#total.take(bytes)
  }

  giveBack(bytes: number): void {
    this.#own.giveBack(bytes)
    this.#total.giveBack(bytes)
  }

  /** Whether one waits that has something on its way. */
  isLimiting(it: Sharing): boolean {
    return this.#own.isLimiting(it) || this.#total.isLimiting(it)
  }

  /** Whether others have nothing on their way as one has something. */
  isStarvedBy({ bytesOut }: Sharing): boolean {
    return bytesOut > 0 && (this.#own.isStarving || this.#total.isStarving)
  }

  /** It wants nothing more for now. */
  forget(waiting: Sharing): void {
    this.#own.forget(waiting)
    this.#total.forget(waiting)
  }

  /** To be called once, by who has ended and has something on its way no more. */
  leave(waiting: Sharing): void {
    this.forget(waiting)
    this.giveBack(waiting.bytesOut)
    this.#leave()
  }
}

interface Held {
  readonly credit: SharedCredit
  count: number
}

export class CreditShares {
  readonly #total: SharedCredit
  readonly #shareLimit: number
  /** What nobody in particular takes from, one for all: it never ends. */
  readonly #endless = new SharedCredit(Number.POSITIVE_INFINITY)
  readonly #bySharer = new Map<string, Held>()

  constructor(totalLimit: number, shareLimit: number) {
    this.#total = new SharedCredit(totalLimit)
    this.#shareLimit = shareLimit
  }

  /** How many have a share of their own. */
  get count(): number {
    return this.#bySharer.size
  }

  /** For one subscription more of a sharer; undefined: of nobody, who has no bound of its own. */
  join(sharer: string | undefined): CreditShare {
    if (sharer === undefined) return new CreditShare(this.#endless, this.#total, () => undefined)
    const held = this.#bySharer.get(sharer) ?? this.#add(sharer)
    held.count += 1
    return new CreditShare(held.credit, this.#total, () => {
      held.count -= 1
      if (held.count === 0) this.#bySharer.delete(sharer)
    })
  }

  #add(sharer: string): Held {
    const held = { credit: new SharedCredit(this.#shareLimit), count: 0 }
    this.#bySharer.set(sharer, held)
    return held
  }
}
