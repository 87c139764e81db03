// What a server says, as a list of events, with everything that RFC 6455 demands of any server
// checked on the way: what breaks a rule is an event that nobody expects, and begins with WRONG.
import { decode } from '@msgpack/msgpack'
import { FrameReader } from './frame-reader.mjs'
import { acceptOf, HEAD_END, parseHead } from './http-head.mjs'

const WELCOME = 0x01

export class ServerReader {
  // `101`, `404`: answers over HTTP; `welcome`; `answer 7`: to the request of this number;
  // `pong 6869`; `close`, `close 1000 reason`.
  events = []
  #frames = new FrameReader(this.events, {
    isMasked: false,
    onMessage: (payload) => this.#message(payload),
  })
  #rest = Buffer.alloc(0)
  #isUpgraded = false
  #asked

  // `asked` is the request in bytes: of those headers, the answer has to be.
  constructor(asked) {
    this.#asked = parseHead(asked.toString('latin1'))
  }

  take(chunk) {
    if (this.#isUpgraded) {
      this.#frames.take(chunk)
      return
    }
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#takeAnswer());
    if (this.#isUpgraded) this.#frames.take(this.#rest)
  }

  #wrong(what) {
    this.#frames.wrong(what)
  }

  #takeAnswer() {
    const end = this.#isUpgraded ? -1 : this.#rest.indexOf(HEAD_END)
    if (end < 0) return false
    const { line, headers } = parseHead(this.#rest.toString('latin1', 0, end))
    const status = /^HTTP\/1\.1 (\d{3}) ./.exec(line)?.[1]
    if (status === undefined) this.#wrong(`the line ${JSON.stringify(line)}`)
    const bodyBytes = this.#asked.line.startsWith('HEAD') ? 0 : Number(headers['content-length'])
    const bytes = end + HEAD_END.length + (status === '101' ? 0 : bodyBytes || 0)
    if (this.#rest.length < bytes) return false
    this.#rest = this.#rest.subarray(bytes)
    this.events.push(status)
    if (status === '426' && headers['sec-websocket-version'] !== '13') {
      this.#wrong('a 426 that does not say which version is spoken')
    }
    if (status === '101') this.#upgraded(headers)
    return true
  }

  #upgraded(headers) {
    this.#isUpgraded = true
    const asked = this.#asked.headers
    const wanted = {
      upgrade: 'websocket',
      connection: 'upgrade',
      'sec-websocket-accept': acceptOf(asked['sec-websocket-key']).toLowerCase(),
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (headers[name]?.toLowerCase() !== value) this.#wrong(`${name}: ${headers[name]}`)
    }
    if (headers['sec-websocket-extensions'] !== undefined) this.#wrong('an extension')
    const chosen = headers['sec-websocket-protocol']
    const offered = (asked['sec-websocket-protocol'] ?? '').split(',').map((it) => it.trim())
    if (chosen !== undefined && !offered.includes(chosen)) this.#wrong(`the subprotocol ${chosen}`)
  }

  #message(payload) {
    try {
      const [opcode, id] = decode(payload, { useBigInt64: true })
      this.events.push(opcode === WELCOME ? 'welcome' : `answer ${id}`)
    } catch (error) {
      this.#wrong(`a message: ${error.message}`)
    }
  }
}
