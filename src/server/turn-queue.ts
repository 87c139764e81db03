/**
 * Requests with large answers take turns: of each connection one is carried out at a time, and
 * none while the last answer waits to be read. What waits is the request, never its answer.
 */

export class TurnQueue<Request> {
  readonly #carryOut: (request: Request) => Promise<void>
  readonly #isClear: () => boolean
  #waiting: Request[] = []
  #isBusy = false

  /** `carryOut` never rejects. */
  constructor(carryOut: (request: Request) => Promise<void>, isClear: () => boolean) {
    this.#carryOut = carryOut
    this.#isClear = isClear
  }

  add(request: Request): void {
    this.#waiting.push(request)
    this.advance()
  }

  /** To be called when `isClear` may have become true. */
  advance(): void {
    if (this.#isBusy || this.#waiting.length === 0 || !this.#isClear()) return
    this.#isBusy = true
    void this.#carryOut(this.#waiting.shift() as Request).then(() => {
      this.#isBusy = false
      this.advance()
    })
  }

  clear(): void {
    this.#waiting = []
  }
}
