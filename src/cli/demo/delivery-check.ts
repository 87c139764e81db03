/** Checks what one consumer was given against what was put. */

/** What is wrong with a delivery; all zero when every record came once and in order. */
export interface DeliveryReport {
  readonly delivered: number
  readonly lost: number
  readonly duplicated: number
  readonly outOfOrder: number
  /** Records whose data was never put. */
  readonly foreign: number
}

/** Takes the numbers of the records as they come. */
export class DeliveryCheck {
  readonly #seen: Uint8Array
  readonly #lastOfKey = new Map<string, number>()
  #delivered = 0
  #duplicated = 0
  #outOfOrder = 0
  #foreign = 0

  /** Numbers are 0 to below `total`; those of one key were put in ascending order. */
  constructor(total: number) {
    this.#seen = new Uint8Array(total)
  }

  /** How many different records have come. */
  get delivered(): number {
    return this.#delivered
  }

  take(key: string, number: number): void {
    if (!(number >= 0 && number < this.#seen.length)) {
      this.#foreign += 1
      return
    }
    if (this.#seen[number] === 1) {
      this.#duplicated += 1
      return
    }
    this.#seen[number] = 1
    this.#delivered += 1
    if (number < (this.#lastOfKey.get(key) ?? -1)) this.#outOfOrder += 1
    else this.#lastOfKey.set(key, number)
  }

  report(): DeliveryReport {
    return {
      delivered: this.#delivered,
      lost: this.#seen.length - this.#delivered,
      duplicated: this.#duplicated,
      outOfOrder: this.#outOfOrder,
      foreign: this.#foreign,
    }
  }
}
