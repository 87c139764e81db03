// The frames of one side, out of its bytes, as a list of events, with everything that RFC 6455
// demands of their form checked on the way: what breaks a rule is an event that nobody expects, and
// begins with WRONG.
import { OPCODE } from './frames.mjs'

const CONTROL_BYTES_MAX = 125
const utf8 = new TextDecoder('utf-8', { fatal: true })
// Those that may be on the wire (RFC 6455 7.4, and the registry of IANA).
const isCloseCode = (code) =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code < 5000)

export class FrameReader {
  #rest = Buffer.alloc(0)
  #isClosed = false
  #events
  #isMasked
  #onMessage
  #onMask

  // `isMasked`: those of a client are, those of a server are not. `onMessage` is told the payloads
  // of binary messages, `onMask` the masks. Adds to `events`: `ping 6869`, `pong 6869`; `close`,
  // `close 1000 reason`.
  constructor(events, { isMasked, onMessage, onMask = () => undefined }) {
    this.#events = events
    this.#isMasked = isMasked
    this.#onMessage = onMessage
    this.#onMask = onMask
  }

  take(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#takeFrame());
  }

  wrong(what) {
    this.#events.push(`WRONG: ${what}`)
  }

  #takeFrame() {
    const rest = this.#rest
    if (rest.length < 2) return false
    const short = rest[1] & 0x7f
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (rest.length < head) return false
    const bytes =
      short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2))
    const isMasked = (rest[1] & 0x80) !== 0
    const start = head + (isMasked ? 4 : 0)
    if (rest.length < start + bytes) return false
    if (isMasked !== this.#isMasked) this.wrong(isMasked ? 'a masked frame' : 'a bare frame')
    if ((rest[0] & 0x70) !== 0) this.wrong('a reserved bit')
    if ((head === 4 && bytes < 126) || (head === 10 && bytes < 65_536)) this.wrong('a long length')
    if (this.#isClosed) this.wrong('a frame behind a close')
    const payload = Buffer.from(rest.subarray(start, start + bytes))
    if (isMasked) this.#unmask(rest.subarray(head, start), payload)
    this.#frame(rest[0] & 0x0f, (rest[0] & 0x80) !== 0, payload)
    this.#rest = rest.subarray(start + bytes)
    return true
  }

  #unmask(mask, payload) {
    this.#onMask(mask)
    for (let at = 0; at < payload.length; at++) payload[at] ^= mask[at & 3]
  }

  #frame(opcode, isLast, payload) {
    if (!isLast) this.wrong('a fragment')
    if (opcode >= OPCODE.close && payload.length > CONTROL_BYTES_MAX) this.wrong('a long control')
    const hex = payload.toString('hex')
    if (opcode === OPCODE.binary) this.#onMessage(payload)
    else if (opcode === OPCODE.ping) this.#events.push(`ping ${hex}`.trim())
    else if (opcode === OPCODE.pong) this.#events.push(`pong ${hex}`.trim())
    else if (opcode === OPCODE.close) this.#close(payload)
    else this.wrong(`a frame with opcode ${opcode}`)
  }

  #close(payload) {
    this.#isClosed = true
    if (payload.length === 0) {
      this.#events.push('close')
      return
    }
    const code = payload.length < 2 ? 0 : payload.readUInt16BE(0)
    if (!isCloseCode(code)) this.wrong(`a close with ${code}`)
    this.#events.push(`close ${code} ${this.#reason(payload.subarray(2))}`.trim())
  }

  #reason(bytes) {
    try {
      return utf8.decode(bytes)
    } catch {
      this.wrong('a reason that is no UTF-8')
      return ''
    }
  }
}
