// Frames as a client sends them, right or wrong in every bit, and the requests in them. Pure.
import { encode } from '@msgpack/msgpack'

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 }
export const MASK = Buffer.of(0x37, 0xfa, 0x21, 0x3d)
const DESCRIBE_SUMMARY = 0x13
const PUT_RECORD = 0x20
const LONG_LENGTH = 65_536

// `form` is how the length is written: 7, 16 or 64 bits; the shortest unless it is given. `length`
// is what is claimed, `mask` null leaves the payload as it is, without the bit that says otherwise.
export function frame(opcode, payload = '', options = {}) {
  const { fin = true, rsv = 0, mask = MASK, masked = mask !== null } = options
  const bytes = Buffer.from(payload)
  const { length = bytes.length, form = shortestForm(length) } = options
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  return Buffer.concat([
    header(first, masked ? 0x80 : 0, BigInt(length), form),
    mask ?? Buffer.alloc(0),
    mask === null ? bytes : bytes.map((byte, index) => byte ^ mask[index & 3]),
  ])
}

function shortestForm(length) {
  return length < 126 ? 7 : length < LONG_LENGTH ? 16 : 64
}

function header(first, maskBit, length, form) {
  if (form === 7) return Buffer.of(first, maskBit | Number(length))
  const bytes = Buffer.alloc(form === 16 ? 4 : 10)
  bytes[0] = first
  bytes[1] = maskBit | (form === 16 ? 126 : 127)
  if (form === 16) bytes.writeUInt16BE(Number(length), 2)
  else bytes.writeBigUInt64BE(length, 2)
  return bytes
}

export const binary = (payload, options) => frame(OPCODE.binary, payload, options)
export const text = (payload, options) => frame(OPCODE.text, payload, options)
export const more = (payload, options) => frame(OPCODE.continuation, payload, options)
export const ping = (payload, options) => frame(OPCODE.ping, payload, options)
export const pong = (payload, options) => frame(OPCODE.pong, payload, options)

export function close(code, reason = '', options = {}) {
  const head = code === undefined ? [] : [code >> 8, code & 255]
  return frame(OPCODE.close, Buffer.concat([Buffer.from(head), Buffer.from(reason)]), options)
}

// A message that is answered, with an error: there is no such stream.
export const request = (id) => Buffer.from(encode([DESCRIBE_SUMMARY, id, 'nowhere']))

// A message of so many bytes, from 300 on, that is answered; with an error, too.
export function requestOf(bytes, id = 1) {
  const make = (dataBytes) => [
    ...[PUT_RECORD, id, 'nowhere', null],
    ...[[['k', Buffer.alloc(dataBytes)]], null, 0, 0],
  ]
  // The header of the data is longer the more there is of it, so the first guess can be two off.
  const guess = 2 * bytes - encode(make(bytes)).length
  const message = encode(make(guess))
  const missing = bytes - message.length
  return Buffer.from(missing === 0 ? message : encode(make(guess + missing)))
}

// The parts of a message in frames: of `bytes` each, the last one with FIN.
export function inFragments(message, bytes, options = {}) {
  const frames = []
  for (let at = 0; at === 0 || at < message.length; at += bytes) {
    const fin = at + bytes >= message.length
    const opcode = at === 0 ? OPCODE.binary : OPCODE.continuation
    frames.push(frame(opcode, message.subarray(at, at + bytes), { ...options, fin }))
  }
  return Buffer.concat(frames)
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

// An opening handshake; a header of `change` replaces that of this name, or goes when it is null.
// A list is as many headers.
export function handshake(change = {}, line = 'GET / HTTP/1.1') {
  const headers = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Protocol': 'millrace.v1',
    ...change,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    (value === null ? [] : [value].flat()).map((it) => `${name}: ${it}`),
  )
  return Buffer.from([line, ...lines, '', ''].join('\r\n'), 'latin1')
}
