/**
 * When each subscription hears how far it has come. They are spread over the time between two
 * heartbeats: thousands that began together would hold up the event loop otherwise.
 */

const slotCount = 50

export class Heartbeats {
  readonly #slots: Set<() => void>[] = Array.from({ length: slotCount }, () => new Set())
  readonly #tickMillis: number
  #count = 0
  #next = 0
  #now = 0
  #timer: NodeJS.Timeout | undefined

  constructor(heartbeatMillis: number) {
    this.#tickMillis = heartbeatMillis / slotCount
  }

  /** `beat` is called once in each time between two heartbeats; what comes back ends that. */
  add(beat: () => void): () => void {
    const slot = this.#slots[this.#next] as Set<() => void>
    this.#next = (this.#next + 1) % slotCount
    slot.add(beat)
    this.#count += 1
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tick(), this.#tickMillis)
      this.#timer.unref()
    }
    return () => {
      if (!slot.delete(beat)) return
      this.#count -= 1
      if (this.#count === 0) this.#stop()
    }
  }

  #tick(): void {
    this.#now = (this.#now + 1) % slotCount
    for (const beat of this.#slots[this.#now] as Set<() => void>) beat()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
