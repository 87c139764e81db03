// What a server says, as a list of events, with everything that RFC 6455 demands of any server
// checked on the way: what breaks a rule is an event that nobody expects, and begins with WRONG.
import { createHash } from 'node:crypto'
import { decode } from '@msgpack/msgpack'
import { OPCODE } from './frames.mjs'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const CONTROL_BYTES_MAX = 125
const WELCOME = 0x01
const HEADERS_END = '\r\n\r\n'
const utf8 = new TextDecoder('utf-8', { fatal: true })
// Those that may be on the wire (RFC 6455 7.4, and the registry of IANA).
const isCloseCode = (code) =>
  (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code < 5000)

export class ServerReader {
  // `101`, `404`: answers over HTTP; `welcome`; `answer 7`: to the request of this number;
  // `pong 6869`; `close`, `close 1000 reason`.
  events = []
  #rest = Buffer.alloc(0)
  #isUpgraded = false
  #isClosed = false
  #asked

  // `asked` is the request in bytes: of those headers, the answer has to be.
  constructor(asked) {
    this.#asked = parseHead(asked.toString('latin1'))
  }

  take(chunk) {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#isUpgraded ? this.#takeFrame() : this.#takeAnswer());
  }

  #wrong(what) {
    this.events.push(`WRONG: ${what}`)
  }

  #takeAnswer() {
    const end = this.#rest.indexOf(HEADERS_END)
    if (end < 0) return false
    const { line, headers } = parseHead(this.#rest.toString('latin1', 0, end))
    const status = /^HTTP\/1\.1 (\d{3}) ./.exec(line)?.[1]
    if (status === undefined) this.#wrong(`the line ${JSON.stringify(line)}`)
    const bodyBytes = this.#asked.line.startsWith('HEAD') ? 0 : Number(headers['content-length'])
    const bytes = end + HEADERS_END.length + (status === '101' ? 0 : bodyBytes || 0)
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
    const hash = createHash('sha1').update(`${asked['sec-websocket-key']}${GUID}`)
    const wanted = {
      upgrade: 'websocket',
      connection: 'upgrade',
      'sec-websocket-accept': hash.digest('base64').toLowerCase(),
    }
    for (const [name, value] of Object.entries(wanted)) {
      if (headers[name]?.toLowerCase() !== value) this.#wrong(`${name}: ${headers[name]}`)
    }
    if (headers['sec-websocket-extensions'] !== undefined) this.#wrong('an extension')
    const chosen = headers['sec-websocket-protocol']
    const offered = (asked['sec-websocket-protocol'] ?? '').split(',').map((it) => it.trim())
    if (chosen !== undefined && !offered.includes(chosen)) this.#wrong(`the subprotocol ${chosen}`)
  }

  #takeFrame() {
    const rest = this.#rest
    if (rest.length < 2) return false
    const short = rest[1] & 0x7f
    const head = short < 126 ? 2 : short === 126 ? 4 : 10
    if (rest.length < head) return false
    const bytes =
      short < 126 ? short : short === 126 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2))
    if (rest.length < head + bytes) return false
    if ((rest[1] & 0x80) !== 0) this.#wrong('a masked frame')
    if ((rest[0] & 0x70) !== 0) this.#wrong('a reserved bit')
    if ((head === 4 && bytes < 126) || (head === 10 && bytes < 65_536)) this.#wrong('a long length')
    if (this.#isClosed) this.#wrong('a frame behind a close')
    this.#frame(rest[0] & 0x0f, (rest[0] & 0x80) !== 0, rest.subarray(head, head + bytes))
    this.#rest = rest.subarray(head + bytes)
    return true
  }

  #frame(opcode, isLast, payload) {
    if (!isLast) this.#wrong('a fragment')
    if (opcode >= OPCODE.close && payload.length > CONTROL_BYTES_MAX) this.#wrong('a long control')
    if (opcode === OPCODE.binary) this.#message(payload)
    else if (opcode === OPCODE.pong) this.events.push(`pong ${payload.toString('hex')}`.trim())
    else if (opcode === OPCODE.close) this.#close(payload)
    else this.#wrong(`a frame with opcode ${opcode}`)
  }

  #message(payload) {
    try {
      const [opcode, id] = decode(payload, { useBigInt64: true })
      this.events.push(opcode === WELCOME ? 'welcome' : `answer ${id}`)
    } catch (error) {
      this.#wrong(`a message: ${error.message}`)
    }
  }

  #close(payload) {
    this.#isClosed = true
    if (payload.length === 0) {
      this.events.push('close')
      return
    }
    const code = payload.length < 2 ? 0 : payload.readUInt16BE(0)
    if (!isCloseCode(code)) this.#wrong(`a close with ${code}`)
    this.events.push(`close ${code} ${this.#reason(payload.subarray(2))}`.trim())
  }

  #reason(bytes) {
    try {
      return utf8.decode(bytes)
    } catch {
      this.#wrong('a reason that is no UTF-8')
      return ''
    }
  }
}

// The first line, and the headers by their names in small letters; of equal ones all, with commas.
function parseHead(head) {
  const [line, ...rest] = head.split('\r\n')
  const headers = Object.create(null)
  for (const it of rest) {
    const colon = it.indexOf(':')
    if (colon < 0) continue
    const name = it.slice(0, colon).trim().toLowerCase()
    const value = it.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return { line, headers }
}
