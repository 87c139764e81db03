// A subscriber over a plain socket, which stops to read and to return credit when it is told to, and
// goes on where it was. It sees to it that every record comes once, in order, and that no more is on
// its way than it has allowed.
import { connect } from 'node:net'
import { decode, encode } from '@msgpack/msgpack'
import { TortureFailure } from '../lib/failure.mjs'
import { HANDSHAKE } from './bad-frames.mjs'
import { ServerFrames } from './server-frames.mjs'

const OPTIONS = { useBigInt64: true }
const SUBSCRIBE_TO_SHARD = 0x28
const HEARTBEAT = 0x42
const CREDIT = 0x50
const WELCOME = 0x01
const PONG = 0x8a
const OPCODE_BINARY = 2
const OPCODE_CLOSE = 8
const OPCODE_PING = 9
const BATCH = { firstSequence: 16, count: 25, recordsLength: 72, bytes: 76 }
const SLICE_MARKER = 0x9bce
export const CREDIT_BYTES = 256 * 1024

// A short frame of a client, with a mask of zero.
function clientFrame(payload, first = 0x82) {
  const head = payload.length < 126 ? 2 : 4
  const frame = Buffer.alloc(head + 4 + payload.length)
  frame[0] = first
  frame[1] = 0x80 | (head === 2 ? payload.length : 126)
  if (head === 4) frame.writeUInt16BE(payload.length, 2)
  frame.set(payload, head + 4)
  return frame
}

export class SubscriberLane {
  #port
  #stream
  #onBatch
  #socket
  #isFirst = true
  #subscriptionId = 0
  #outBytes = 0
  #holdsCredit = false
  #isReturnPlanned = false
  #subscribed = () => undefined
  // What it wants next; undefined before it has subscribed for the first time.
  next = undefined
  // Slices while it returned nothing; whether the other side has ended, and with which code.
  heldBytes = 0
  isEnded = false
  closeCode = null
  failure = null

  // `onBatch` is told of each batch, as the bytes of its records.
  constructor(port, stream, onBatch = () => undefined) {
    this.#port = port
    this.#stream = stream
    this.#onBatch = onBatch
  }

  // Connects, and subscribes at the end of the shard, or where it was. Answers when it has.
  async subscribe() {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    this.#socket = socket
    this.isEnded = false
    this.closeCode = null
    this.#outBytes = 0
    const done = new Promise((resolve) => {
      this.#subscribed = resolve
    })
    const frames = new ServerFrames((opcode, payload) => this.#frame(opcode, payload))
    socket.on('data', (chunk) => this.#take(frames, chunk))
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.isEnded = true
      this.#subscribed()
    })
    socket.write(HANDSHAKE)
    await done
    if (this.isEnded) throw this.failure ?? new TortureFailure('a subscriber was not let in')
  }

  // Reads nothing any more, as a client that hangs.
  stall() {
    this.#holdsCredit = true
    this.heldBytes = 0
    this.#socket.pause()
  }

  // Reads on, but holds back the credit: what comes was on its way.
  readHeld() {
    this.#socket.resume()
  }

  // Reads on as if nothing had been.
  resume() {
    this.#holdsCredit = false
    this.#socket.resume()
    this.#returnCredit()
  }

  destroy() {
    this.#socket?.destroy()
  }

  #take(frames, chunk) {
    try {
      frames.take(chunk)
    } catch (error) {
      this.failure ??= error
      this.destroy()
    }
  }

  #frame(opcode, payload) {
    if (opcode === OPCODE_CLOSE) this.closeCode = payload.readUInt16BE(0)
    else if (opcode === OPCODE_PING) this.#socket.write(clientFrame(payload, PONG))
    else if (opcode !== OPCODE_BINARY) throw new TortureFailure(`a frame with opcode ${opcode}`)
    else if (payload.length > 2 && payload.readUInt16BE(0) === SLICE_MARKER) this.#slice(payload)
    else this.#message(decode(payload, OPTIONS))
  }

  #message([opcode, ...fields]) {
    if (opcode === WELCOME) {
      const type = this.next === undefined ? 'LATEST' : 'AT_SEQUENCE_NUMBER'
      const place = [type, this.next ?? null, null]
      const request = [SUBSCRIBE_TO_SHARD, 1, this.#stream, '0', null, ...place, CREDIT_BYTES, null]
      this.#socket.write(clientFrame(encode(request, OPTIONS)))
    } else if (opcode === SUBSCRIBE_TO_SHARD) {
      const [, status, subscriptionId, shard] = fields
      if (status !== null) throw new TortureFailure(`a subscription: ${status}: ${subscriptionId}`)
      this.#subscriptionId = Number(subscriptionId)
      this.next ??= BigInt(shard[2])
      this.#isFirst = true
      this.#subscribed()
    } else if (opcode !== HEARTBEAT) {
      throw new TortureFailure(`a subscriber was told ${opcode}: ${fields.join()}`)
    }
  }

  #slice(slice) {
    this.#outBytes += slice.length
    this.heldBytes += slice.length
    if (this.#outBytes > CREDIT_BYTES) {
      throw new TortureFailure(`${this.#outBytes} bytes on their way, ${CREDIT_BYTES} are allowed`)
    }
    for (let at = 0; at < slice.length; ) {
      const first = slice.readBigUInt64BE(at + BATCH.firstSequence)
      const count = slice.readUInt32BE(at + BATCH.count)
      const bytes = slice.readUInt32BE(at + BATCH.recordsLength)
      const records = at + BATCH.bytes
      this.#batch(first, BigInt(count), slice.subarray(records, records + bytes))
      at = records + bytes
    }
    // Behind what came with it, so that more than the credit would be seen.
    if (this.#isReturnPlanned) return
    this.#isReturnPlanned = true
    setImmediate(() => {
      this.#isReturnPlanned = false
      this.#returnCredit()
    })
  }

  #batch(first, count, records) {
    if (this.#isFirst ? first > this.next : first !== this.next) {
      throw new TortureFailure(`record ${first} came instead of ${this.next}`)
    }
    // The first slice may begin with what was not asked for.
    if (first + count <= this.next) return
    this.#isFirst = false
    this.next = first + count
    this.#onBatch(records)
  }

  #returnCredit() {
    if (this.#holdsCredit || this.#outBytes === 0 || this.isEnded) return
    this.#socket.write(clientFrame(encode([CREDIT, this.#subscriptionId, this.#outBytes])))
    this.#outBytes = 0
  }
}
