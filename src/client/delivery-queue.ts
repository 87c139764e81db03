/** Hands things over, one by one and in order, to whoever asks for them. */

interface Offer<Item> {
  readonly item: Item
  taken(): void
}

interface Taker<Item> {
  resolve(item: Item | undefined): void
  reject(error: unknown): void
}

export class DeliveryQueue<Item> {
  #offers: Offer<Item>[] = []
  #takers: Taker<Item>[] = []
  #end: { readonly error: unknown } | undefined

  /** Answers when the item is taken, or never will be. */
  offer(item: Item): Promise<void> {
    return new Promise((taken) => {
      if (this.#end !== undefined) {
        taken()
        return
      }
      const taker = this.#takers.shift()
      if (taker === undefined) {
        this.#offers.push({ item, taken })
        return
      }
      taker.resolve(item)
      taken()
    })
  }

  /** The next item; undefined at the end. Rejects, once, with what `fail` was given. */
  take(): Promise<Item | undefined> {
    return new Promise((resolve, reject) => {
      const offer = this.#offers.shift()
      if (offer !== undefined) {
        resolve(offer.item)
        offer.taken()
      } else if (this.#end === undefined) {
        this.#takers.push({ resolve, reject })
      } else {
        this.#tellEnd({ resolve, reject })
      }
    })
  }

  /** Nothing follows what was offered. */
  finish(): void {
    this.fail(undefined)
  }

  /** Nothing follows what was offered but this error; undefined stands for none. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    for (const taker of this.#takers) this.#tellEnd(taker)
    this.#takers = []
  }

  /** Drops what was offered, and ends. */
  drop(error?: unknown): void {
    const offers = this.#offers
    this.#offers = []
    for (const offer of offers) offer.taken()
    this.fail(error)
  }

  #tellEnd({ resolve, reject }: Taker<Item>): void {
    const error = this.#end?.error
    this.#end = { error: undefined }
    if (error === undefined) resolve(undefined)
    else reject(error)
  }
}
