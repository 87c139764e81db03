/** Things in the order in which they came, for whoever asks; adding one makes no promise. */

interface Waiter {
  resolve(isThere: boolean): void
  reject(error: unknown): void
}

export class ItemQueue<Item> {
  #items: (Item | undefined)[] = []
  #at = 0
  #waiters: Waiter[] = []
  #end: { error: unknown } | undefined

  /** Whether everything that was offered has been taken. */
  get isEmpty(): boolean {
    return this.#at === this.#items.length
  }

  offer(item: Item): void {
    if (this.#end !== undefined) return
    this.#items.push(item)
    // It stays in its place until it is taken: what comes next must not pass for the first.
    this.#waiters.shift()?.resolve(true)
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

  /** Answers when there may be an item; false at the end. Rejects, once, with what `fail` had. */
  arrival(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (!this.isEmpty) resolve(true)
      else if (this.#end === undefined) this.#waiters.push({ resolve, reject })
      else this.#tellEnd({ resolve, reject })
    })
  }

  /** Nothing follows what is there but this error; undefined stands for none. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    for (const waiter of this.#waiters) this.#tellEnd(waiter)
    this.#waiters = []
  }

  /** Drops what is there, and ends. */
  drop(error?: unknown): void {
    this.#items = []
    this.#at = 0
    this.fail(error)
  }

  #tellEnd({ resolve, reject }: Waiter): void {
    const error = this.#end?.error
    this.#end = { error: undefined }
    if (error === undefined) resolve(false)
    else reject(error)
  }
}
