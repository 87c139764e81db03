/**
 * Keeps account of the bytes that a subscription has brought: which are still held here, and which
 * are done with and can be returned as credit. They are returned in large parts, or after a short
 * while: a message for each batch would cost the broker more than the batch.
 */

import type { Clock, Timer } from './clock.ts'

/** A part of the credit that is worth a message. */
const stepsPerCredit = 4
/** The rest of it is returned after so long. */
const restMillis = 20

export class CreditLedger {
  readonly #clock: Clock
  readonly #stepBytes: number
  readonly #giveBack: (bytes: number) => void
  #held = 0
  #due = 0
  #isOpen = false
  #timer: Timer | undefined
  /** Since when nothing has been returned of what is held. */
  #since = 0
  #whenEmpty: (() => void) | undefined

  constructor(clock: Clock, creditBytes: number, giveBack: (bytes: number) => void) {
    this.#clock = clock
    this.#stepBytes = Math.max(1, Math.floor(creditBytes / stepsPerCredit))
    this.#giveBack = giveBack
  }

  /** Bytes that came and are not done with. */
  get heldBytes(): number {
    return this.#held
  }

  /** For how long nothing has been done with any of them; 0 where there are none. */
  get idleMillis(): number {
    return this.#held === 0 ? 0 : this.#clock.now() - this.#since
  }

  /** A subscription begins; nothing is held of the one before. */
  open(): void {
    this.#isOpen = true
  }

  /** The subscription has ended: there is nobody to return bytes to. */
  shut(): void {
    this.#isOpen = false
    this.#due = 0
    this.#timer?.cancel()
    this.#timer = undefined
  }

  came(bytes: number): void {
    if (this.#held === 0) this.#since = this.#clock.now()
    this.#held += bytes
  }

  done(bytes: number): void {
    this.#held -= bytes
    this.#since = this.#clock.now()
    if (this.#isOpen) {
      this.#due += bytes
      if (this.#due >= this.#stepBytes) this.#return()
      else this.#timer ??= this.#clock.after(restMillis, () => this.#return())
    }
    if (this.#held === 0) this.#whenEmpty?.()
  }

  /** Nobody waits any more for what is held. */
  letGo(): void {
    this.#whenEmpty?.()
  }

  /** Answers when nothing is held. */
  async emptied(): Promise<void> {
    if (this.#held === 0) return
    await new Promise<void>((resolve) => {
      this.#whenEmpty = resolve
    })
    this.#whenEmpty = undefined
  }

  #return(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const bytes = this.#due
    this.#due = 0
    this.#giveBack(bytes)
  }
}
