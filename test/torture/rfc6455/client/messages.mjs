// Messages that are whole, and none of the protocol: whoever cannot be understood once cannot be
// trusted with what follows, and is left for good.
import { answer, binary, message, welcome } from './frames.mjs'

const LIST_STREAMS = 0x14
const ends = (name, bytes, more = {}) => ({
  ...{ name, rule: '7.4.2', send: [binary(bytes)] },
  ...{ wire: ['close 4500 PROTOCOL_VIOLATION'], fate: 'ends PROTOCOL_VIOLATION' },
  ...more,
})
// Of a message that begins as an answer it is the request that fails.
const fails = (name, bytes, code = 'PROTOCOL_VIOLATION') => ({
  ...{ name, rule: '7.4.2', send: [binary(bytes)], fate: `fails ${code}` },
})
const lives = (name, bytes) => ({
  ...{ name, rule: '7.4.2', fate: 'lives' },
  send: [Buffer.concat([binary(bytes), binary(answer(1))])],
})
const first = (name, bytes) => ends(name, bytes, { open: [binary(bytes)], send: undefined })
// What stands behind it in the memory of the client is not its own.
const sliceOf = (bytes) => Buffer.concat([Buffer.of(0x9b, 0xce), Buffer.alloc(bytes - 2)])
const head = (...bytes) => Buffer.from([0x96, LIST_STREAMS, 1, 0xc0, ...bytes])

export const title = 'messages'
export const cases = [
  lives('one that only a newer client knows', message([0x7d, 1, 'a'])),
  lives('one of nothing else', message([0x7d])),
  ends('of no bytes', Buffer.alloc(0)),
  ends('no array', message('hello')),
  ends('of nil', message(null)),
  ends('an answer to no request', answer(2)),
  ends('an answer to another operation', message([0x13, 1, null])),
  ends('an answer of one element', message([LIST_STREAMS])),
  ends('an answer without a status', message([LIST_STREAMS, 1])),
  fails('an answer with too few elements', message([LIST_STREAMS, 1, null])),
  fails('an answer of other types', message([LIST_STREAMS, 1, null, 'a', 'b', 'c'])),
  fails('an answer that is cut', answer(1).subarray(0, -2)),
  fails('an answer with something behind it', Buffer.concat([answer(1), Buffer.of(0)])),
  fails('an error that is none', message([LIST_STREAMS, 1, 7]), 'INTERNAL'),
  fails('an array of 2^32 - 1 elements', head(0xdd, 0xff, 0xff, 0xff, 0xff)),
  fails('a text of 2^32 - 1 bytes', head(0xdb, 0xff, 0xff, 0xff, 0xff)),
  fails('bytes of 2^32 - 1', head(0xc6, 0xff, 0xff, 0xff, 0xff)),
  fails('a map of 2^32 - 1 pairs', head(0xdf, 0xff, 0xff, 0xff, 0xff)),
  fails('an extension', head(0xc7, 1, 5, 0)),
  fails('16,000 arrays within each other', head(...Array(16_000).fill(0x91))),
  fails('a map with __proto__', head(...message({ ['__proto__']: 1 }))),
  ...[2, 3, 7].map((bytes) => ends(`a slice of ${bytes} bytes`, sliceOf(bytes))),
  first('an answer before the welcome', answer(1)),
  first('a welcome that is cut', welcome.subarray(0, 5)),
  first('a welcome of other types', message([0x01, 'a', 1, [], {}])),
  first('text instead of the welcome', message('welcome')),
]
