/** The bound of what a producer holds, and those who wait for room below it. */

import { onAbort } from './on-abort.ts'

interface Waiter {
  readonly bytes: number
  enter(): void
  refuse(error: unknown): void
}

export class Room {
  readonly #bytesMax: number
  #bytes = 0
  #bytesPeak = 0
  #isShut = false
  readonly #waiters = new Set<Waiter>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** How much is held. */
  get bytes(): number {
    return this.#bytes
  }

  /** The most that was ever held. */
  get bytesPeak(): number {
    return this.#bytesPeak
  }

  /** Takes so many bytes, if they fit and nobody who came earlier waits. */
  take(bytes: number): boolean {
    if (this.#isShut || this.#waiters.size > 0 || this.#bytes + bytes > this.#bytesMax) return false
    this.#grow(bytes)
    return true
  }

  /**
   * Waits until so many bytes could be taken, and calls `enter` in that very moment: in the order
   * of the calls, and with nobody in between. Rejects, with nothing taken, with the reason of
   * `signal` or what `refuseWaiters` was given; and with what `enter` throws.
   */
  wait(bytes: number, enter: () => void, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const leave = () => {
        this.#waiters.delete(waiter)
        forget()
      }
      const waiter: Waiter = {
        bytes,
        enter() {
          leave()
          try {
            enter()
            resolve()
          } catch (error) {
            reject(error)
          }
        },
        refuse(error) {
          leave()
          reject(error)
        },
      }
      const forget = onAbort(signal, () => {
        waiter.refuse(signal?.reason)
        this.#admit()
      })
      this.#waiters.add(waiter)
    })
  }

  free(bytes: number): void {
    this.#bytes -= bytes
    this.#admit()
  }

  /** Lets nobody in until `open` is called, whatever there is of room. */
  shut(): void {
    this.#isShut = true
  }

  open(): void {
    this.#isShut = false
    this.#admit()
  }

  /** Sends those away who wait. */
  refuseWaiters(error: unknown): void {
    for (const waiter of this.#waiters) waiter.refuse(error)
  }

  #admit(): void {
    for (const waiter of this.#waiters) {
      if (this.#isShut || this.#bytes + waiter.bytes > this.#bytesMax) return
      this.#grow(waiter.bytes)
      waiter.enter()
    }
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#bytesPeak) this.#bytesPeak = this.#bytes
  }
}
