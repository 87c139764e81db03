// A plain socket that speaks WebSocket only as far as it has to in order to count what comes back.
import { connect } from 'node:net'
import { handshakeWith } from './bad-frames.mjs'
import { ServerFrames } from './server-frames.mjs'

const OPCODE_CLOSE = 8
const OPCODE_BINARY = 2
const OPCODE_PING = 9
// A pong of nothing, with a mask of zeros: it is heard as any other is.
const PONG = Buffer.of(0x8a, 0x80, 0, 0, 0, 0)

export class RawLane {
  #socket
  #answersPings
  #headers
  #wake = () => undefined
  // Told of each binary message.
  onAnswer = () => undefined
  // Binary messages that came; the code of a close frame; whether the other side has ended.
  answers = 0
  closeCode = null
  isEnded = false

  // `headers` are lines of the handshake beside those that it needs. `localAddress` is where it comes from: each has ports of its own. Where none is given the kernel
  // finds a port as it connects, much faster than it finds one for an address alone.
  constructor(port, { answersPings = false, headers = [], localAddress } = {}) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, localAddress })
    this.#socket = socket
    this.#answersPings = answersPings
    this.#headers = headers
    const frames = new ServerFrames((opcode, payload) => this.#count(opcode, payload))
    socket.on('data', (chunk) => {
      frames.take(chunk)
      this.#wake()
    })
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', () => {
      this.isEnded = true
      this.#wake()
    })
  }

  // Answers whether the broker has taken the connection and said its welcome.
  async open(millisMax) {
    this.write(handshakeWith(this.#headers))
    await this.until(() => this.answers > 0, millisMax)
    const isOpen = this.answers === 1
    this.answers = 0
    return isOpen
  }

  write(data) {
    if (!this.#socket.destroyed) this.#socket.write(data)
  }

  // Until the system has taken all of it, or the connection has ended.
  async writeAll(data) {
    if (this.#socket.destroyed) return
    await new Promise((resolve) => {
      this.#socket.once('close', resolve)
      this.#socket.write(data, resolve)
    })
  }

  // Waits until `isDone`, or the end of the connection, or the time is over.
  until(isDone, millisMax) {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.#wake = () => undefined
        resolve()
      }
      const timer = setTimeout(finish, millisMax)
      this.#wake = () => {
        if (isDone() || this.isEnded || this.closeCode !== null) finish()
      }
      this.#wake()
    })
  }

  // Reads nothing any more, or again.
  pause() {
    this.#socket.pause()
  }

  resume() {
    this.#socket.resume()
  }

  destroy() {
    this.#socket.destroy()
  }

  // Goes without a word, and leaves no port behind that has to rest.
  reset() {
    this.#socket.resetAndDestroy()
  }

  #count(opcode, payload) {
    if (opcode === OPCODE_BINARY) {
      this.answers += 1
      this.onAnswer(payload)
    }
    if (opcode === OPCODE_PING && this.#answersPings) this.write(PONG)
    if (opcode === OPCODE_CLOSE) this.closeCode = payload.length < 2 ? 0 : payload.readUInt16BE(0)
  }
}
