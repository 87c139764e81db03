// A producer within the process of the broker that is measured. It sees every push, and puts the
// next batch when enough subscribers have been sent what came before: then the broker does nothing
// but send, as the raw server does.
import { loadPart } from '../micro/package.mjs'
import { packedRecords } from './raw-batch.mjs'

const { encodePutBatch } = await loadPart('wire/put-builder.js')
const { decodeBrokerFrame } = await loadPart('wire/frame.js')
const { messageTypes } = await loadPart('wire/message-bytes.js')
const { batchLayout } = await loadPart('wire/batch-layout.js')

/** How many different batches there are: no branch predictor learns one of them by heart. */
const batchesMax = 16
/** Bytes that are put in one turn of the event loop when nobody waits for them. */
const fillBytesPerTurn = 4 * 1024 * 1024

/** `now.then(run)` runs after what runs now, as queueMicrotask does, without an object of Node. */
const now = Promise.resolve()

/** Behind array, opcode and request id: nil when a put has worked. */
const statusAt = 3

function checkAnswer(answer) {
  if (answer[statusAt] === messageTypes.nil) return
  throw decodeBrokerFrame(answer).error
}

/** The same batches for every run, as requests of a producer that has sealed them. */
function sealBatches({ stream, records, recordBytes }) {
  const batches = Array.from({ length: batchesMax }, (_, seed) =>
    packedRecords(records, recordBytes, seed + 1),
  )
  const target = { streamName: stream, durability: 'os' }
  return {
    bytes: batchLayout.headerBytes + batches[0].length,
    frames: batches.map((packed) =>
      encodePutBatch(0, target, { shardIndex: 0, count: records, records: packed }),
    ),
  }
}

/** Of one connection. It is touched at each push, so it is one object. */
class ObservedSink {
  #sink
  #owner
  sentBytes = 0
  /** How many batches that is, and at how many bytes it is one more. */
  level = 0
  levelEnd = 0

  constructor(sink, owner) {
    this.#sink = sink
    this.#owner = owner
  }

  get sharer() {
    return this.#sink.sharer
  }

  push(frame, isSlice) {
    if (isSlice) this.#owner.count?.(this, frame.length)
    return this.#sink.push(frame, isSlice)
  }

  bufferedBytes() {
    return this.#sink.bufferedBytes()
  }

  stalled() {
    this.#sink.stalled()
  }
}

/** Stands between a server and its broker. */
export class ObservedBroker {
  #broker
  #sinks = new Set()
  /** While a producer runs: `count` is told of the bytes that a subscriber has been sent. */
  count = undefined

  constructor(broker) {
    this.#broker = broker
    this.failed = broker.failed
    this.fanOutLimits = broker.fanOutLimits
  }

  call = (operation, request) => this.#broker.call(operation, request)
  put = (frame, answer) => this.#broker.put(frame, answer)
  stats = () => this.#broker.stats()
  flush = () => this.#broker.flush()

  openSubscriptions(sink) {
    const observed = new ObservedSink(sink, this)
    this.#sinks.add(observed)
    const subscriptions = this.#broker.openSubscriptions(observed)
    const close = subscriptions.close.bind(subscriptions)
    subscriptions.close = () => {
      this.#sinks.delete(observed)
      close()
    }
    return subscriptions
  }

  /** Puts so many frames, of which `ahead` at most have not been sent to `subscribers` of all. */
  async putAhead({ frames, ahead, subscribers, ...load }) {
    const batches = sealBatches(load)
    const begun = { sentBytes: 0, level: 0, levelEnd: batches.bytes }
    for (const observed of this.#sinks) Object.assign(observed, begun)
    await new Promise((resolve) => {
      const sentTo = new Uint32Array(frames)
      let put = 0
      let done = 0
      const putMore = () => {
        for (; put < Math.min(frames, done + ahead); put += 1) {
          this.put(batches.frames[put % batchesMax], checkAnswer)
        }
        if (done === frames) resolve()
      }
      // One batch on its way to all that there are: who has been sent it needs no telling apart.
      const each = batches.bytes * subscribers
      let sentBytes = 0
      const countAll = (_, bytes) => {
        sentBytes += bytes
        if (sentBytes < each) return
        sentBytes = 0
        done += 1
        void now.then(putMore)
      }
      const countEach = (observed, bytes) => {
        observed.sentBytes += bytes
        for (; observed.sentBytes >= observed.levelEnd; observed.level += 1) {
          sentTo[observed.level] += 1
          observed.levelEnd += batches.bytes
        }
        if (done === frames || sentTo[done] < subscribers) return
        while (done < frames && sentTo[done] >= subscribers) done += 1
        void now.then(putMore)
      }
      this.count = ahead === 1 && this.#sinks.size === subscribers ? countAll : countEach
      putMore()
    })
    this.count = undefined
  }

  /** Puts so many frames, whoever subscribes, and answers when they are on disk. */
  async fill({ frames, ...load }) {
    const batches = sealBatches(load)
    const perTurn = Math.ceil(fillBytesPerTurn / batches.bytes)
    for (let put = 0; put < frames; put += 1) {
      this.put(batches.frames[put % batchesMax], checkAnswer)
      if (put % perTurn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await this.flush()
  }
}
