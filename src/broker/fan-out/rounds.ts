/**
 * Whose turn it is to send. Those who have something to send wait in one queue; each of them sends
 * a little and goes back to its end, so that one with much to send does not hold up the others. A
 * round does not run for long: puts, acknowledgements and credit come in between.
 */

import { performance } from 'node:perf_hooks'
import { nextTick } from 'node:process'
import { LinkedQueue, type Queued } from './linked-queue.ts'

export interface Sender extends Queued<Sender> {
  /** Sends a little. Answers whether it would go on, and could. Must not throw. */
  serve(): boolean
}

export class Rounds {
  readonly #roundMillisMax: number
  readonly #afterRound: () => void
  readonly #queue = new LinkedQueue<Sender>()
  #runsThisTurn = false
  #runsNextTurn = false

  /** `afterRound` is told whenever the event loop goes on to something else. */
  constructor(roundMillisMax: number, afterRound: () => void) {
    this.#roundMillisMax = roundMillisMax
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
    nextTick(this.#runThisTurn)
  }

  /** For who can send since a message came, or room: outside of what the socket does with that. */
  add(sender: Sender): void {
    this.#push(sender)
    this.#runLater()
  }

  #push(sender: Sender): void {
    if (sender.queue === undefined) this.#queue.push(sender)
  }

  #runLater(): void {
    if (this.#runsNextTurn) return
    this.#runsNextTurn = true
    setImmediate(this.#runNextTurn)
  }

  readonly #runThisTurn = (): void => {
    this.#runsThisTurn = false
    this.#run()
  }

  readonly #runNextTurn = (): void => {
    this.#runsNextTurn = false
    this.#run()
  }

  #run(): void {
    const end = performance.now() + this.#roundMillisMax
    for (let sender = this.#queue.shift(); sender !== undefined; sender = this.#queue.shift()) {
      if (sender.serve()) this.#push(sender)
      if (this.#queue.first === undefined || performance.now() >= end) break
    }
    this.#afterRound()
    if (this.#queue.first !== undefined) this.#runLater()
  }
}
