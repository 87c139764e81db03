// Frames: masks, reserved bits, opcodes, lengths (RFC 6455 5.1, 5.2, 5.3).
import { binary, frame, MASK, OPCODE, ping, request, requestOf, text } from './frames.mjs'

const ok = (name, rule, ...send) => ({ name, rule, send, expect: ['answer 1'] })
const failed = (name, rule, ...send) => ({
  ...{ name, rule, send, expect: ['end'], deviation: 'noCloseFrame' },
})
// The broker waits for what it takes for the end of the frame.
const unmasked = (name, bytes) => ({
  ...{ name, rule: '5.1', send: [bytes], expect: [], probe: 'silence', deviation: 'unmasked' },
})
const longer = (name, send, expect = ['answer 1']) => ({
  ...{ name, rule: '5.2', send: [send], expect, deviation: 'longLength' },
})
const RESERVED = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf]
const message = request(1)

export const title = 'frames'
export const cases = [
  ok('a binary message', '5.6', binary(message)),
  ok('a mask of zeros', '5.3', binary(message, { mask: Buffer.alloc(4) })),
  ok('a mask of ones', '5.3', binary(message, { mask: Buffer.alloc(4, 0xff) })),
  ok('a mask that hides one byte', '5.3', binary(message, { mask: Buffer.of(0, 0, 0, 1) })),
  {
    ...ok('100 messages in one packet', '5.2', manyMessages(100)),
    expect: Array.from({ length: 100 }, (_, index) => `answer ${index + 1}`),
  },
  ok(
    'a header apart from its payload',
    '5.2',
    binary(message).subarray(0, 6),
    20,
    binary(message).subarray(6),
  ),
  ok(
    'a pause within the mask',
    '5.2',
    binary(message).subarray(0, 4),
    20,
    binary(message).subarray(4),
  ),
  ok('a pause within a length of 64 bits', '5.2', ...paused(binary(requestOf(70_000)), 5)),
  ...[300, 65_535, 65_536, 65_537].map((bytes) =>
    ok(`a message of ${bytes} bytes`, '5.2', binary(requestOf(bytes))),
  ),
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv) =>
    failed(`reserved bits ${rsv.toString(2).padStart(3, '0')}`, '5.2', binary(message, { rsv })),
  ),
  failed('a reserved bit in a ping', '5.2', ping('a', { rsv: 4 })),
  ...RESERVED.map((opcode) =>
    failed(`opcode ${opcode.toString(16).toUpperCase()}`, '5.2', frame(opcode, message)),
  ),
  failed('opcode 3 without FIN', '5.2', frame(3, message, { fin: false })),
  failed('opcode B without a payload', '5.2', frame(0xb)),
  unmasked('a binary message without a mask', binary(message, { mask: null })),
  unmasked('a text message without a mask', text('hello', { mask: null })),
  unmasked('a ping without a mask', ping('hello', { mask: null })),
  unmasked('a close without a mask', frame(OPCODE.close, Buffer.of(3, 0xe8), { mask: null })),
  {
    ...unmasked(
      'a mask without the bit that says so',
      binary(message, { mask: MASK, masked: false }),
    ),
    ...{ expect: ['answer 1'], probe: 'request' },
  },
  longer('a small length in 16 bits', binary(message, { form: 16 })),
  longer('a small length in 64 bits', binary(message, { form: 64 })),
  longer('a length of 16 bits in 64', binary(requestOf(300), { form: 64 })),
  longer('a length of none in 64 bits', binary('', { form: 64 }), [
    ...['close 4500 PROTOCOL_VIOLATION: byte 0: wanted an array', 'end'],
  ]),
  failed('a length of 2^63', '5.2', binary('hello', { length: 2n ** 63n, form: 64 })),
  failed('a length of 2^64 - 1', '5.2', binary('hello', { length: 2n ** 64n - 1n, form: 64 })),
  {
    ...ok('a frame of which nothing comes', '5.2', binary('', { length: 5 })),
    ...{ expect: [], probe: 'silence' },
  },
  {
    ...ok('the first byte of a frame', '5.2', Buffer.of(0x82)),
    ...{ expect: [], probe: 'silence' },
  },
]

function manyMessages(count) {
  return Buffer.concat(Array.from({ length: count }, (_, index) => binary(request(index + 1))))
}

function paused(bytes, at) {
  return [bytes.subarray(0, at), 20, bytes.subarray(at)]
}
