/**
 * Whose turn it is to send. Those who have something to send wait in one queue; each of them sends
 * a little and goes back to its end, so that one with much to send does not hold up the others. A
 * round does not run for long: puts, acknowledgements and credit come in between.
 */

export interface Sender {
  /** Whether it is in the queue; kept by Rounds alone. */
  isQueued: boolean
  /** Sends a little. Answers whether it would go on, and could. Must not throw. */
  serve(): boolean
}

export class Rounds {
  readonly #roundMillis: number
  readonly #afterRound: () => void
  #queue: Sender[] = []
  #head = 0
  #runsThisTurn = false
  #runsNextTurn = false

  /** `afterRound` is told whenever the event loop goes on to something else. */
  constructor(roundMillis: number, afterRound: () => void) {
    this.#roundMillis = roundMillis
    this.#afterRound = afterRound
  }

  /**
   * For who has something to send, within this turn of the event loop: to be called from a wake-up
   * of the log, which has nothing else to do.
   */
  addNow(sender: Sender): void {
    this.#push(sender)
    if (this.#runsThisTurn) return
    this.#runsThisTurn = true
    // Behind the acknowledgements of the same wake-up, which were queued before.
    process.nextTick(() => {
      this.#runsThisTurn = false
      this.#run()
    })
  }

  /** For who can send since a message came, or room: outside of what the socket does with that. */
  add(sender: Sender): void {
    this.#push(sender)
    this.#runLater()
  }

  #push(sender: Sender): void {
    if (sender.isQueued) return
    sender.isQueued = true
    this.#queue.push(sender)
  }

  #runLater(): void {
    if (this.#runsNextTurn) return
    this.#runsNextTurn = true
    setImmediate(() => {
      this.#runsNextTurn = false
      this.#run()
    })
  }

  #run(): void {
    const end = performance.now() + this.#roundMillis
    while (this.#head < this.#queue.length) {
      const sender = this.#queue[this.#head] as Sender
      this.#head += 1
      sender.isQueued = false
      if (sender.serve()) this.#push(sender)
      if (performance.now() >= end) break
    }
    this.#dropServed()
    this.#afterRound()
    if (this.#queue.length > 0) this.#runLater()
  }

  /** In bulk, so that serving is cheap however long the queue is. */
  #dropServed(): void {
    if (this.#head === this.#queue.length) this.#queue.length = 0
    else this.#queue.splice(0, this.#head)
    this.#head = 0
  }
}
