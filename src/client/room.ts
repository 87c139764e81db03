/** The bound of what a producer holds, and those who wait for room below it. */

import { onAbort } from './on-abort.ts'

export interface Entrant {
  readonly bytes: number
  /** Is called in the moment in which there is room. */
  enter(): void
  /**
   * Whether it is `aside`: asked again and again until it is. From then on it stays so until it
   * enters, or is not to enter.
   */
  isAside(): boolean
}

interface Waiter extends Entrant {
  refuse(error: unknown): void
}

/**
 * `usual`, or `aside`: what waits for a shard that has no room for the time being. Of that no more
 * is let in while it takes half of all, so that there is room for what can go.
 */
export type RoomKind = 'usual' | 'aside'

export class Room {
  readonly #bytesMax: number
  #bytes = 0
  #bytesPeak = 0
  #bytesAside = 0
  #isShut = false
  readonly #waiters = new Set<Waiter>()
  /** They were the first of the others when they came here, so they came before all of those. */
  readonly #waitersAside = new Set<Waiter>()

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

  /** Takes so many bytes, if they fit and nobody who came earlier waits for the same. */
  take(bytes: number, kind: RoomKind): boolean {
    if (this.#isShut || this.#next() !== undefined || !this.#fits(bytes)) return false
    if (kind === 'aside' && (this.#waitersAside.size > 0 || !this.#hasShare(bytes))) return false
    this.#grow(bytes)
    return true
  }

  /**
   * Waits until so many bytes could be taken, and lets the entrant in in that very moment: in the
   * order of the calls, and with nobody in between. Rejects, with nothing taken, with the reason of
   * `signal` or what `refuseWaiters` was given; and with what `enter` throws.
   */
  wait({ bytes, enter, isAside }: Entrant, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const leave = () => {
        this.#waiters.delete(waiter)
        this.#waitersAside.delete(waiter)
        forget()
      }
      const waiter: Waiter = {
        bytes,
        isAside,
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

  /** So many of the bytes that are held go aside. */
  goAside(bytes: number): void {
    this.#bytesAside += bytes
  }

  free(bytes: number, kind: RoomKind): void {
    this.#bytes -= bytes
    if (kind === 'aside') this.#bytesAside -= bytes
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
    for (const waiter of [...this.#waitersAside, ...this.#waiters]) waiter.refuse(error)
  }

  #admit(): void {
    for (let it = this.#next(); it !== undefined; it = this.#next()) {
      if (this.#isShut || !this.#fits(it.bytes)) return
      this.#grow(it.bytes)
      it.enter()
    }
  }

  /** Who comes first of those who wait for no more than that there is room. */
  #next(): Waiter | undefined {
    for (const first of this.#waiters) {
      if (!first.isAside()) break
      this.#waiters.delete(first)
      this.#waitersAside.add(first)
    }
    for (const first of this.#waitersAside) {
      if (this.#hasShare(first.bytes)) return first
      break
    }
    for (const first of this.#waiters) return first
    return undefined
  }

  #fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#bytesMax
  }

  #hasShare(bytes: number): boolean {
    return this.#bytesAside === 0 || this.#bytesAside + bytes <= this.#bytesMax / 2
  }

  #grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#bytesPeak) this.#bytesPeak = this.#bytes
  }
}
