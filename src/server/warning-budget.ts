/**
 * Bounds how much one kind of warning is written: a client that is wrong a thousand times a second
 * must not be able to fill a disk, or to hold up the event loop, with lines about it.
 */

import type { Logger } from './logger.ts'

export class WarningBudget {
  readonly #logger: Logger
  readonly #linesMax: number
  #left: number
  #suppressed = 0

  /** `linesMax` of them are written until the next `renew`. */
  constructor(logger: Logger, linesMax: number) {
    this.#logger = logger
    this.#linesMax = linesMax
    this.#left = linesMax
  }

  warn(facts: object, text: string): void {
    if (this.#left === 0) {
      this.#suppressed += 1
      return
    }
    this.#left -= 1
    this.#logger.warn(facts, text)
  }

  /** To be called every few seconds: says how many were left out, and begins anew. */
  renew(): void {
    this.#left = this.#linesMax
    if (this.#suppressed === 0) return
    this.#logger.warn({ suppressed: this.#suppressed }, 'more warnings about connections')
    this.#suppressed = 0
  }
}
