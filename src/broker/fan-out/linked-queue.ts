/**
 * Queues whose links are in what they hold, which is in one of them at a time: nothing is allocated
 * where thousands go in and out, and whoever is in the middle leaves at once.
 */

export interface Queued<Item> {
  /** The queue that it is in. All three are kept by that alone. */
  queue: object | undefined
  ahead: Item | undefined
  behind: Item | undefined
}

export class LinkedQueue<Item extends Queued<Item>> {
  #first: Item | undefined
  #last: Item | undefined

  get first(): Item | undefined {
    return this.#first
  }

  /** Whether more than one is in it. */
  get hasMore(): boolean {
    return this.#first !== this.#last
  }

  /** To the end. It must be in no queue. */
  push(item: Item): void {
    item.queue = this
    item.ahead = this.#last
    if (this.#last === undefined) this.#first = item
    else this.#last.behind = item
    this.#last = item
  }

  /** Takes the first one out. */
  shift(): Item | undefined {
    const item = this.#first
    if (item !== undefined) this.remove(item)
    return item
  }

  remove(item: Item): void {
    const { ahead, behind } = item
    if (ahead === undefined) this.#first = behind
    else ahead.behind = behind
    if (behind === undefined) this.#last = ahead
    else behind.ahead = ahead
    item.queue = undefined
    item.ahead = undefined
    item.behind = undefined
  }
}
