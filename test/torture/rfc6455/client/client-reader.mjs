// What a client says, as a list of events, with everything that RFC 6455 demands of any client
// checked on the way: what breaks a rule is an event that nobody expects, and begins with WRONG.
import { decode } from '@msgpack/msgpack'
import { FrameReader } from '../frame-reader.mjs'
import { HEAD_END, parseHead } from '../http-head.mjs'

const KEY_BYTES = 16

export class ClientReader {
  // `request 7`, in the order in which they come; `ping`, `pong 6869`; `close 1000 reason`.
  events = []
  // Of the handshake; undefined until all of it has come.
  asked
  // The masks, each once.
  masks = new Set()
  #frames = new FrameReader(this.events, {
    isMasked: true,
    onMessage: (payload) => this.#message(payload),
    onMask: (mask) => this.masks.add(mask.toString('hex')),
  })
  #rest = Buffer.alloc(0)
  #host
  #path
  #keys

  // Where it has been told to go, and the keys that came before: none may come twice.
  constructor({ host, path, keys }) {
    this.#host = host
    this.#path = path
    this.#keys = keys
  }

  take(chunk) {
    if (this.asked !== undefined) {
      this.#frames.take(chunk)
      return
    }
    this.#rest = Buffer.concat([this.#rest, chunk])
    const end = this.#rest.indexOf(HEAD_END)
    if (end < 0) return
    const { line, headers } = parseHead(this.#rest.toString('latin1', 0, end))
    this.asked = headers
    this.#checkLine(line)
    this.#checkHeaders(headers)
    const behind = this.#rest.subarray(end + HEAD_END.length)
    if (behind.length > 0) this.#wrong('bytes behind its handshake before there is an answer')
  }

  #wrong(what) {
    this.#frames.wrong(what)
  }

  #checkLine(line) {
    if (line !== `GET ${this.#path} HTTP/1.1`) this.#wrong(`the line ${JSON.stringify(line)}`)
  }

  #checkHeaders(headers) {
    const wanted = {
      host: this.#host,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'millrace.v1',
      'sec-websocket-extensions': undefined,
      origin: undefined,
      cookie: undefined,
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (headers[name] !== value) this.#wrong(`${name}: ${headers[name]}`)
    }
    const key = headers['sec-websocket-key'] ?? ''
    const bytes = Buffer.from(key, 'base64')
    if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== key)
      this.#wrong(`the key ${key}`)
    if (this.#keys.has(key)) this.#wrong('a key that has been there before')
    this.#keys.add(key)
  }

  #message(payload) {
    try {
      this.events.push(`request ${decode(payload, { useBigInt64: true })[1]}`)
    } catch (error) {
      this.#wrong(`a message: ${error.message}`)
    }
  }
}
