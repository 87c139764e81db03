// The workers of a group, each a process, and what befalls them: killed, stopped for a while and
// continued, closed, added.
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { TortureFailure } from '../lib/failure.mjs'
import { start } from '../lib/processes.mjs'
import { readLine } from './group-lines.mjs'

const SCRIPT = fileURLToPath(new URL('group-worker.mjs', import.meta.url))
const WORKERS = { least: 2, wanted: 4, most: 6 }
const PAUSE_MILLIS = [100, 500]
// Less than a lease, and more: the second kind must be fenced off.
const STOPPED_MILLIS = [200, 4000]
const CLOSE_MILLIS_MAX = 15_000
const CHUNK_BYTES = 64 * 1024

class Worker {
  #path
  #at = 0
  #rest = ''
  #text = ''
  isReady = false
  isHalted = false
  hasEnded = false
  // It has been killed, stopped or told to end.
  isDoomed = false

  constructor(rig, name, mode, { directory, consumer, leaseMillis }) {
    this.name = name
    this.#path = join(directory, `${name}.lines`)
    closeSync(openSync(this.#path, 'a'))
    const settings = [consumer, name, String(leaseMillis), mode, this.#path]
    const stdio = ['ignore', 'pipe', 'pipe']
    this.child = start(process.execPath, [SCRIPT, rig.url, rig.stream, ...settings], { stdio })
    this.child.stdout.once('data', () => {
      this.isReady = true
    })
    this.child.ended.then(() => {
      this.hasEnded = true
    })
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#text += text
    })
  }

  get isUsable() {
    return this.isReady && !this.isHalted && !this.isDoomed
  }

  // What it has written since the last time.
  lines() {
    const file = openSync(this.#path, 'r')
    const chunk = Buffer.alloc(CHUNK_BYTES)
    for (let bytes = -1; bytes !== 0; this.#at += bytes) {
      bytes = readSync(file, chunk, 0, CHUNK_BYTES, this.#at)
      this.#rest += chunk.toString('latin1', 0, bytes)
    }
    closeSync(file)
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop()
    return lines.map(readLine)
  }

  // Throws unless it has ended as it was told to.
  async ended(isKilled) {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), CLOSE_MILLIS_MAX)
    const { code, signal } = await this.child.ended
    clearTimeout(timer)
    if (isKilled ? signal === 'SIGKILL' : code === 0) return
    throw new TortureFailure(`worker ${this.name} ended with ${code ?? signal}: ${this.#text}`)
  }
}

export class GroupWorkers {
  #rig
  #random
  #settings
  #workers = []
  #endings = []
  counts = { kills: 0, stops: 0, closes: 0, workers: 0 }

  // `settings`: { directory, consumer, leaseMillis }.
  constructor(rig, settings) {
    this.#rig = rig
    this.#random = rig.random.fork('workers')
    this.#settings = settings
  }

  // Answers when so many are at work as are wanted.
  async begin() {
    for (let count = 0; count < WORKERS.wanted; count += 1) this.#add()
    while (!this.#workers.every((it) => it.isReady)) {
      this.collect()
      // One that cannot even begin has written nothing down.
      for (const it of this.#workers) if (it.hasEnded) await it.ended(false)
      await wait(10)
    }
  }

  // Something befalls one of them again and again, until `isDone`.
  async churn(isDone) {
    while (!isDone() && !this.#rig.isOver) {
      await wait(this.#random.between(...PAUSE_MILLIS))
      this.#befall()
      this.collect()
    }
  }

  // Those that are there end politely, also those that stand still.
  async close() {
    for (const it of this.#workers) {
      it.child.kill('SIGCONT')
      // One that is not up yet cannot be told anything.
      if (!it.isDoomed && it.isReady) this.#close(it)
      else if (!it.isDoomed) this.#kill(it)
    }
    const endings = await Promise.allSettled(this.#endings)
    this.collect()
    const failed = endings.find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  kill() {
    for (const { child } of this.#workers) child.kill('SIGKILL')
  }

  // Reads what they have written. Throws where one of them has failed.
  collect() {
    for (const worker of this.#workers) {
      for (const line of worker.lines()) {
        if (line.kind !== 'ended') this.#rig.history.told(worker.name, line)
        else if (line.text !== '') throw new TortureFailure(`worker ${worker.name}: ${line.text}`)
      }
    }
  }

  #befall() {
    const usable = this.#workers.filter((it) => it.isUsable)
    const there = this.#workers.filter((it) => !it.isDoomed).length
    const dice = this.#random.unit()
    if (there < WORKERS.wanted || (dice < 0.1 && there < WORKERS.most)) this.#add()
    if (usable.length <= WORKERS.least) return
    const worker = usable[this.#random.below(usable.length)]
    if (dice < 0.55) this.#kill(worker)
    else if (dice < 0.8) this.#halt(worker)
    else this.#close(worker)
  }

  #add() {
    this.counts.workers += 1
    const mode = this.#random.chance(0.5) ? 'automatic' : 'manual'
    const name = `worker-${this.counts.workers}`
    this.#workers.push(new Worker(this.#rig, name, mode, this.#settings))
  }

  #kill(worker) {
    this.counts.kills += 1
    this.#end(worker, 'SIGKILL')
  }

  #close(worker) {
    this.counts.closes += 1
    this.#end(worker, 'SIGTERM')
  }

  #end(worker, signal) {
    worker.isDoomed = true
    worker.child.kill(signal)
    const ending = worker.ended(signal === 'SIGKILL')
    ending.catch(() => undefined) // `close` tells
    this.#endings.push(ending)
  }

  // It comes back, and believes that nothing has happened.
  #halt(worker) {
    this.counts.stops += 1
    worker.isHalted = true
    worker.child.kill('SIGSTOP')
    setTimeout(
      () => {
        worker.child.kill('SIGCONT')
        worker.isHalted = false
      },
      this.#random.between(...STOPPED_MILLIS),
    )
  }
}
