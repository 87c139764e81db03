// Frames as a server sends them, right or wrong in every bit, its answers to handshakes, and the
// messages of the protocol in them. Pure.
import { encode } from '@msgpack/msgpack'
import * as masked from '../frames.mjs'
import { acceptOf } from '../http-head.mjs'

export { OPCODE } from '../frames.mjs'

const LIST_STREAMS = 0x14
const WELCOME = 0x01
// What a newer broker may send besides is not for this client.
const UNKNOWN = 0x7d
const FILLER_HEAD_BYTES = 7
const FRAME_BYTES_MAX = 10_551_296

const bare = { mask: null }

export function frame(opcode, payload, options) {
  return masked.frame(opcode, payload, { ...bare, ...options })
}

export const binary = (payload, options) => masked.binary(payload, { ...bare, ...options })
export const text = (payload, options) => masked.text(payload, { ...bare, ...options })
export const more = (payload, options) => masked.more(payload, { ...bare, ...options })
export const ping = (payload, options) => masked.ping(payload, { ...bare, ...options })
export const pong = (payload, options) => masked.pong(payload, { ...bare, ...options })
export const close = (code, reason, options) => masked.close(code, reason, { ...bare, ...options })

// A message in frames of so many bytes.
export const inFragments = (message, bytes) => masked.inFragments(message, bytes, bare)

export const message = (values) => Buffer.from(encode(values, { useBigInt64: true }))

export const welcome = message([WELCOME, 1, 'torture', FRAME_BYTES_MAX, 256])

// To the request of this number: there are no streams.
export const answer = (id) => message([LIST_STREAMS, id, null, [], false, null])

// A message of exactly so many bytes, from 7 on, that a client passes over: an array of two, of
// which the second is bytes.
export function fillerOf(bytes) {
  const filler = Buffer.alloc(bytes)
  filler.set([0x92, UNKNOWN, 0xc6])
  filler.writeUInt32BE(bytes - FILLER_HEAD_BYTES, 3)
  return filler
}

// The answer to a handshake; a header of `change` replaces that of this name, or goes when it is
// null. A list is as many headers. Answers a function of the headers that were asked.
export function upgraded(change = {}, line = 'HTTP/1.1 101 Switching Protocols') {
  return (asked) => {
    const headers = {
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Accept': acceptOf(asked['sec-websocket-key']),
      'Sec-WebSocket-Protocol': 'millrace.v1',
      ...change,
    }
    const lines = Object.entries(headers).flatMap(([name, value]) =>
      (value === null ? [] : [value].flat()).map((it) => `${name}: ${it}`),
    )
    return Buffer.from([line, ...lines, '', ''].join('\r\n'), 'latin1')
  }
}

// The refusal of one.
export function refusal(status, headers = [], body = '') {
  const lines = [`HTTP/1.1 ${status} Whatever`, `Content-Length: ${body.length}`, ...headers]
  return Buffer.from([...lines, '', body].join('\r\n'), 'latin1')
}
