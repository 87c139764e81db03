/**
 * Changes that are made one at a time, in the order in which they came: but urgent ones go ahead of
 * the others, every other time. Each takes a sync, and a worker that takes over a shard would wait
 * for those of all checkpoints, splits and merges before it.
 */

type Work = () => Promise<void>

export class ChangeQueue {
  readonly #urgent: Work[] = []
  readonly #others: Work[] = []
  #isRunning = false
  #wasUrgent = false
  #last: Promise<unknown> = Promise.resolve()

  /** Answers what `work` does, and rejects with what it does: that holds up no other. */
  add<Answer>(work: () => Promise<Answer>, isUrgent = false): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      const queue = isUrgent ? this.#urgent : this.#others
      queue.push(() => work().then(resolve, reject))
    })
    this.#last = Promise.allSettled([this.#last, answer])
    if (!this.#isRunning) void this.#run()
    return answer
  }

  /** Answers when all that was added has ended, however it did. */
  async settled(): Promise<void> {
    await this.#last
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // Whoever adds a work finds nothing of it done yet.
    await undefined
    for (let work = this.#next(); work !== undefined; work = this.#next()) await work()
    this.#isRunning = false
  }

  /** A flood of one kind keeps the other from no more than every other turn. */
  #next(): Work | undefined {
    const isUrgent = this.#others.length === 0 || (this.#urgent.length > 0 && !this.#wasUrgent)
    this.#wasUrgent = isUrgent
    return (isUrgent ? this.#urgent : this.#others).shift()
  }
}
