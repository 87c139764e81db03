/** Things in the order in which they came, for whoever asks; adding one makes no promise. */

interface Taker<Item> {
  resolve(item: Item | undefined): void
  reject(error: unknown): void
}

export class ItemQueue<Item> {
  #items: (Item | undefined)[] = []
  #at = 0
  #takers: Taker<Item>[] = []
  #end: { error: unknown } | undefined

  get isEmpty(): boolean {
    return this.#at === this.#items.length
  }

  offer(item: Item): void {
    if (this.#end !== undefined) return
    const taker = this.#takers.shift()
    if (taker === undefined) this.#items.push(item)
    else taker.resolve(item)
  }

  /** The next item if there is one now. */
  shift(): Item | undefined {
    if (this.isEmpty) return undefined
    const item = this.#items[this.#at]
    // What was taken is not held until the queue is tidied.
    this.#items[this.#at] = undefined
    this.#at += 1
    if (this.isEmpty) {
      this.#items = []
      this.#at = 0
    } else if (this.#at >= 1024) {
      this.#items = this.#items.slice(this.#at)
      this.#at = 0
    }
    return item
  }

  /** The next item; undefined at the end. Rejects, once, with what `fail` was given. */
  take(): Promise<Item | undefined> {
    return new Promise((resolve, reject) => {
      const item = this.shift()
      if (item !== undefined) resolve(item)
      else if (this.#end === undefined) this.#takers.push({ resolve, reject })
      else this.#tellEnd({ resolve, reject })
    })
  }

  /** Nothing follows what is there but this error; undefined stands for none. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    for (const taker of this.#takers) this.#tellEnd(taker)
    this.#takers = []
  }

  /** Drops what is there, and ends. */
  drop(error?: unknown): void {
    this.#items = []
    this.#at = 0
    this.fail(error)
  }

  #tellEnd({ resolve, reject }: Taker<Item>): void {
    const error = this.#end?.error
    this.#end = { error: undefined }
    if (error === undefined) resolve(undefined)
    else reject(error)
  }
}
