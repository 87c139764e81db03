// How late the event loop of a broker was for as long as a test lasted, beside how late one was that
// had nothing to do: that much is not the broker's.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { TortureFailure } from '../lib/failure.mjs'
import { loopDelayOf } from './resources.mjs'

const idleLoop = new URL('./idle-loop.mjs', import.meta.url)
const LOOK_MILLIS = 30_000
// The metric has the last two minutes.
const LOOKS_REMEMBERED = 4
const LATE_MILLIS_MAX = 50

export class LoopWatch {
  #port
  #options
  #idle = new Worker(idleLoop)
  #idleMillis = []
  #timer
  #looking = Promise.resolve()
  #worst = { late: 0, idle: 0 }

  // `options` are those of fetch, for the metrics of the broker at `port`.
  constructor(context, port, options = {}) {
    this.#port = port
    this.#options = options
    // A broker that is too busy for its metrics is looked at again.
    this.#timer = setInterval(() => void this.#look().catch(() => undefined), LOOK_MILLIS)
    context.cleanup(() => this.#end())
  }

  // Answers { late, idle } in milliseconds at p99.9, of when the difference was the largest.
  async finish() {
    clearInterval(this.#timer)
    try {
      await this.#look()
    } finally {
      await this.#end()
    }
    return this.#worst
  }

  #look() {
    this.#looking = this.#looking.catch(() => undefined).then(() => this.#lookNow())
    return this.#looking
  }

  async #lookNow() {
    const answer = once(this.#idle, 'message')
    this.#idle.postMessage('look')
    this.#idleMillis = [...this.#idleMillis, (await answer)[0]].slice(-LOOKS_REMEMBERED)
    const idle = Math.max(...this.#idleMillis)
    const late = await loopDelayOf(this.#port, this.#options)
    if (late - idle >= this.#worst.late - this.#worst.idle) this.#worst = { late, idle }
  }

  async #end() {
    clearInterval(this.#timer)
    await this.#idle.terminate()
  }
}

export const lateText = ({ late, idle }) =>
  `event loop late by ${late.toFixed(1)} ms at p99.9, an idle one by ${idle.toFixed(1)} ms`

// The verdict of the full tier; in ci the processors are anybody's.
export function judgeLateness(tier, lateness) {
  const { late, idle } = lateness
  if (tier === 'full' && late - idle > LATE_MILLIS_MAX) throw new TortureFailure(lateText(lateness))
}
