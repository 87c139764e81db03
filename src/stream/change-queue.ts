/**
 * Changes that are made one at a time, in the order in which they came: but urgent ones go ahead of
 * the others, every other time. Each takes a sync, and a worker that takes over a shard would wait
 * for those of all checkpoints, splits and merges before it.
 */

type Work = () => Promise<void>

export class ChangeQueue {
  readonly #urgent: Work[] = []
  readonly #others: Work[] = []
  #wasUrgent = false
  /** While there is something to do. */
  #running: Promise<void> | undefined

  /** Answers what `work` does, and rejects with what it does: that holds up no other. */
  add<Answer>(work: () => Promise<Answer>, isUrgent = false): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      const queue = isUrgent ? this.#urgent : this.#others
      queue.push(() => work().then(resolve, reject))
      this.#running ??= this.#run()
    })
  }

  /** Answers when all that was added has ended, however it did. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    // Whoever adds a work finds nothing of it done yet.
    await undefined
    for (let work = this.#next(); work !== undefined; work = this.#next()) await work()
    this.#running = undefined
  }

  /** A flood of one kind keeps the other from no more than every other turn. */
  #next(): Work | undefined {
    const isUrgent = this.#others.length === 0 || (this.#urgent.length > 0 && !this.#wasUrgent)
    this.#wasUrgent = isUrgent
    return (isUrgent ? this.#urgent : this.#others).shift()
  }
}
