// A load that goes on over brokers that are asked to stop and follow each other. Whatever ends has to
// say that it is because of the restart.
import { setTimeout as wait } from 'node:timers/promises'
import { TortureFailure } from '../lib/failure.mjs'
import { Producer, Reader, Rig, readAll } from './load.mjs'
import { StreamSubscriber } from './stream-lanes.mjs'

const IDEMPOTENT = 4
const PLAIN = 4
const STOP_MILLIS_MAX = 10_000
const CATCH_UP_MILLIS_MAX = 60_000
export const RESTARTING = 1012

// Everything but an answer has to say that it is because of the restart.
export class RestartRig extends Rig {
  refused = 0
  codes = new Map()

  async connect() {
    const client = await super.connect()
    if (client === null) return null
    let isOurs = false
    const close = client.close.bind(client)
    client.close = () => {
      isOurs = true
      close()
    }
    client.closed.then((code) => {
      if (!isOurs) this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
    })
    return client
  }

  note(error) {
    if (error.code === 'SERVER_CLOSING' && error.retryAfterMs > 0) this.refused += 1
    else super.note(error)
  }
}

// Half of them idempotent; `options` are those of each Producer beside its own.
export function makeProducers(rig, options = {}) {
  const id = () => (BigInt(rig.random.bits()) << 32n) | BigInt(rig.random.bits()) | 1n
  const idempotent = Array.from({ length: IDEMPOTENT }, (_, index) => {
    return new Producer(rig, `i${index}`, { id: id(), window: 8, ...options })
  })
  const plain = Array.from({ length: PLAIN }, (_, index) => {
    const durability = index % 2 === 0 ? 'os' : 'disk'
    return new Producer(rig, `p${index}`, { window: 8, durability, ...options })
  })
  return [...idempotent, ...plain]
}

export function checkRig(rig) {
  if (rig.failures.length > 0) {
    throw new TortureFailure(`a request was refused: ${rig.failures[0]}`, {
      details: { failures: rig.failures.slice(0, 20) },
    })
  }
  const wrong = [...rig.codes.keys()].filter((code) => code !== RESTARTING)
  if (wrong.length > 0) throw new TortureFailure(`a connection ended with ${wrong.join()}`)
}

// Stops a broker; answers how many milliseconds it took.
export async function stop(broker, among = 'at the end') {
  const before = performance.now()
  const status = await broker.stop()
  const millis = performance.now() - before
  if (broker.complaints.length > 0) throw new TortureFailure(broker.complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}, ${among}`)
  if (millis > STOP_MILLIS_MAX) {
    throw new TortureFailure(`the broker took ${Math.round(millis)} ms to stop, ${among}`)
  }
  return millis
}

// Producers and readers of one stream, from before the first restart until behind the last one.
export class RestartLoad {
  #rig
  #producing
  #reading
  #subscriber
  #subscribing
  #isProduced = false
  #isRead = false

  constructor(rig, producers, readers) {
    this.#rig = rig
    this.#producing = producers.map((it) => it.run())
    this.#reading = Array.from({ length: readers }, (_, index) =>
      new Reader(rig, `r${index}`).run(() => this.#isProduced),
    )
    this.#subscriber = new StreamSubscriber(rig, 'subscriber')
    this.#subscribing = this.#subscriber.run(() => this.#isRead)
  }

  // Ends once all that was put is acknowledged and everybody has it; answers what is there. Throws
  // when that is not what the history says.
  async finish() {
    const rig = this.#rig
    rig.isStopping = true
    await Promise.all(this.#producing)
    this.#isProduced = true
    await Promise.all(this.#reading)
    const full = await readAll(rig)
    await this.#untilSubscribed([...full.values()].flat().length)
    this.#isRead = true
    await this.#subscribing
    checkRig(rig)
    const { wrong, duplicates } = rig.history.judge(full)
    if (wrong.length > 0) throw new TortureFailure(wrong[0], { details: { wrong } })
    // What was neither answered nor refused was not taken.
    if (duplicates > 0) throw new TortureFailure(`${duplicates} records were put and not answered`)
    return full
  }

  async #untilSubscribed(records) {
    const end = performance.now() + CATCH_UP_MILLIS_MAX
    while (this.#subscriber.count < records) {
      if (performance.now() > end) {
        throw new TortureFailure(
          `the subscriber has ${this.#subscriber.count} of ${records} records`,
        )
      }
      await wait(10)
    }
  }
}
