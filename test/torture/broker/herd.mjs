// A herd of clients (herd-worker.mjs), as the test sees it.
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { TortureFailure } from '../lib/failure.mjs'

const LOOK_MILLIS = 50
const script = new URL('./herd-worker.mjs', import.meta.url)

export class Herd {
  #worker
  #count

  constructor(url, stream, count) {
    this.#count = count
    this.#worker = new Worker(script, { workerData: { url, stream, count } })
  }

  // What has been since the mark. Throws what a client has met that it must not.
  async look() {
    return await this.#ask({})
  }

  // Counts anew: the broker has ended.
  async mark() {
    await this.#ask({ isMark: true })
  }

  // Answers the figures once all clients have had a record of the broker that is there.
  async untilBack(millisMax) {
    return await this.#until('back', {}, millisMax)
  }

  // Until all have had everything before `next`.
  async untilRead(next, millisMax) {
    return await this.#until('done', { next }, millisMax)
  }

  async leave() {
    await this.#worker.terminate()
  }

  async #ask(message) {
    this.#worker.postMessage(message)
    // It throws what the thread has died of.
    const [figures] = await once(this.#worker, 'message')
    if (figures.failure !== null) throw new TortureFailure(figures.failure)
    return figures
  }

  // Until all clients are `what`, one of the figures.
  async #until(what, question, millisMax) {
    const end = performance.now() + millisMax
    for (;;) {
      const figures = await this.#ask(question)
      if (figures[what] === this.#count) return figures
      if (performance.now() > end) {
        const state = `${figures[what]} of ${this.#count} clients are ${what}`
        throw new TortureFailure(`after ${millisMax} ms ${state}`, { details: figures })
      }
      await wait(LOOK_MILLIS)
    }
  }
}
