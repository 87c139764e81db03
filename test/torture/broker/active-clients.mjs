// Clients that go on with their work while others misbehave: each puts one record after the other by
// a timetable, and writes down how long the answers took.
import { setTimeout as wait } from 'node:timers/promises'
import { decode, encode } from '@msgpack/msgpack'
import { TortureFailure } from '../lib/failure.mjs'
import { binary } from '../rfc6455/frames.mjs'
import { RawLane } from './raw-lane.mjs'
import { PUT_RECORD } from './wire-client.mjs'

const ANSWER_MILLIS_MAX = 10_000
const OPEN_MILLIS_MAX = 10_000
const TOGETHER = 50
const RECORD = ['k', Buffer.from('data')]

export class ActiveClients {
  #stream
  #everyMillis
  #lanes = []
  #running = []
  #isOver = false
  // Of the answers, from when each record was due.
  latencies = []
  acknowledged = 0
  failure = null

  // Each of `count` clients puts a record every `everyMillis`.
  constructor(port, stream, count, everyMillis) {
    this.#stream = stream
    this.#everyMillis = everyMillis
    this.#lanes = Array.from({ length: count }, () => new RawLane(port, { answersPings: true }))
  }

  async start() {
    for (let at = 0; at < this.#lanes.length; at += TOGETHER) {
      const open = this.#lanes.slice(at, at + TOGETHER).map((it) => it.open(OPEN_MILLIS_MAX))
      if ((await Promise.all(open)).includes(false)) throw new TortureFailure('nobody is let in')
    }
    this.#running = this.#lanes.map((lane, index) =>
      this.#run(lane, (index * this.#everyMillis) / this.#lanes.length).catch((error) => {
        this.failure ??= error
      }),
    )
  }

  // The latencies within the time that `work` takes.
  async while(work) {
    this.latencies = []
    const answer = await work()
    if (this.failure !== null) throw this.failure
    return { answer, latencies: this.latencies }
  }

  async stop() {
    this.#isOver = true
    await Promise.all(this.#running)
    for (const lane of this.#lanes) lane.destroy()
    if (this.failure !== null) throw this.failure
  }

  async #run(lane, offset) {
    let status = null
    lane.onAnswer = (payload) => {
      status = decode(payload)[2]
    }
    let due = performance.now() + offset
    for (let id = 1; !this.#isOver; id++) {
      await wait(Math.max(0, due - performance.now()))
      lane.write(binary(encode([PUT_RECORD, id, this.#stream, 'os', [RECORD], null, 0, 0])))
      await lane.until(() => lane.answers >= id, ANSWER_MILLIS_MAX)
      if (lane.isEnded) throw new TortureFailure('an active client was cut off')
      if (lane.answers < id) throw new TortureFailure('an active client waits for its answer')
      if (status !== null) throw new TortureFailure(`an active client was refused: ${status}`)
      this.acknowledged += 1
      this.latencies.push(performance.now() - due)
      due = Math.max(due + this.#everyMillis, performance.now())
    }
  }
}
