// How late the machine is, by what no broker has a part in: timers of this process, and syncs of a
// page of a file of its own on the disk of the broker.
import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { clockMillis } from './group-lines.mjs'

const TICK_MILLIS = 20
const SYNC_EVERY_MILLIS = 100
const PAGE_BYTES = 4096
// What is later than this, or takes longer, is late.
const PROMPT_MILLIS = { timer: 20, sync: 100 }

// How late the machine was at the most between two times: with a timer, and with a sync, in ms.
// delays: { timer: [{ from, until }], sync: [the same] }.
export function lateness(delays, since, until) {
  let sum = 0
  for (const [kind, prompt] of Object.entries(PROMPT_MILLIS)) {
    let longest = prompt
    for (const delay of delays[kind]) {
      if (delay.until < since || delay.from > until) continue
      longest = Math.max(longest, delay.until - delay.from)
    }
    sum += longest - prompt
  }
  return sum
}

export class MachineLag {
  #path
  #note
  #isStopped = false

  // `path`: of the file, on the disk. `note(kind, { from, until })` is told of each time that a timer
  // was late ('timer'), and that a sync took ('sync'), in ms of `clockMillis`.
  constructor(path, note) {
    this.#path = path
    this.#note = note
  }

  // Ends when it is stopped. Rejects when the disk fails.
  async run() {
    await Promise.all([this.#watchTimers(), this.#watchSyncs()])
  }

  stop() {
    this.#isStopped = true
  }

  async #watchTimers() {
    while (!this.#isStopped) {
      const due = clockMillis() + TICK_MILLIS
      await wait(TICK_MILLIS)
      this.#note('timer', { from: due, until: Math.max(due, clockMillis()) })
    }
  }

  async #watchSyncs() {
    const file = await open(this.#path, 'w')
    try {
      const page = Buffer.alloc(PAGE_BYTES)
      for (let count = 0; !this.#isStopped; count += 1) {
        page.writeUInt32BE(count)
        const from = clockMillis()
        await file.write(page, 0, PAGE_BYTES, 0)
        await file.datasync()
        this.#note('sync', { from, until: clockMillis() })
        await wait(SYNC_EVERY_MILLIS)
      }
    } finally {
      await file.close()
    }
  }
}
