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

const nobody: ReadonlySet<number> = new Set()
const firstBytes = 1024

/** Takes the numbers of the records as they come. */
export class DeliveryCheck {
  /** A bit for each number. */
  #seen = new Uint8Array(firstBytes)
  readonly #lastOfKey = new Map<string, number>()
  readonly #total: number
  #highest = -1
  #delivered = 0
  #duplicated = 0
  #outOfOrder = 0
  #foreign = 0

  /**
   * Numbers are 0 to below `total`, where that is known from the start; those of one key were put
   * in ascending order.
   */
  constructor(total: number = Number.MAX_SAFE_INTEGER) {
    this.#total = total
  }

  /** How many different records have come. */
  get delivered(): number {
    return this.#delivered
  }

  /** Takes a record; a number that is none, such as -1, says that its data was never put. */
  take(key: string, number: number): void {
    if (!(number >= 0 && number < this.#total)) {
      this.#foreign += 1
      return
    }
    if (!this.#mark(number)) {
      this.#duplicated += 1
      return
    }
    this.#delivered += 1
    this.#highest = Math.max(this.#highest, number)
    if (number < (this.#lastOfKey.get(key) ?? -1)) this.#outOfOrder += 1
    else this.#lastOfKey.set(key, number)
  }

  /**
   * What is wrong where `total` records were put, all of which were acknowledged but those that
   * were `refused`: these may have come, and need not.
   */
  report(total: number = this.#total, refused: ReadonlySet<number> = nobody): DeliveryReport {
    const beyond = this.#beyond(total)
    let lost = total - (this.#delivered - beyond)
    for (const number of refused) if (!this.#has(number)) lost -= 1
    return {
      delivered: this.#delivered,
      lost,
      duplicated: this.#duplicated,
      outOfOrder: this.#outOfOrder,
      foreign: this.#foreign + beyond,
    }
  }

  /** How many came whose numbers are `total` or more. */
  #beyond(total: number): number {
    let count = 0
    for (let number = total; number <= this.#highest; number += 1) if (this.#has(number)) count += 1
    return count
  }

  #has(number: number): boolean {
    return ((this.#seen[Math.floor(number / 8)] ?? 0) & (1 << (number % 8))) !== 0
  }

  /** False where it was marked before. */
  #mark(number: number): boolean {
    if (this.#has(number)) return false
    const at = Math.floor(number / 8)
    if (at >= this.#seen.length) {
      const larger = new Uint8Array(2 * at)
      larger.set(this.#seen)
      this.#seen = larger
    }
    this.#seen[at] = (this.#seen[at] as number) | (1 << (number % 8))
    return true
  }
}
