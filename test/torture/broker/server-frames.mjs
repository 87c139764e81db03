// The frames of a server, out of the bytes of a plain socket, behind its answer to the handshake.

const ANSWERS = { from: 0x10, to: 0x3f }

// Whether a message is the answer to a request: it begins as that does. Others are pushes, heartbeats
// and the like.
export const isAnswer = (message) => message[1] >= ANSWERS.from && message[1] <= ANSWERS.to

export class ServerFrames {
  #rest = Buffer.alloc(0)
  #isUpgraded = false
  #onFrame

  // `onFrame` is told the opcode and the payload of each frame.
  constructor(onFrame) {
    this.#onFrame = onFrame
  }

  // Takes what has come.
  take(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    if (!this.#isUpgraded) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#isUpgraded = true
      this.#rest = this.#rest.subarray(end + 4)
    }
    for (;;) {
      const { length } = this.#rest
      if (length < 2) return
      const short = this.#rest[1]
      const head = short < 126 ? 2 : short === 126 ? 4 : 10
      if (length < head) return
      const bytes =
        short < 126
          ? short
          : short === 126
            ? this.#rest.readUInt16BE(2)
            : Number(this.#rest.readBigUInt64BE(2))
      if (length < head + bytes) return
      this.#onFrame(this.#rest[0] & 0x0f, this.#rest.subarray(head, head + bytes))
      this.#rest = this.#rest.subarray(head + bytes)
    }
  }
}
