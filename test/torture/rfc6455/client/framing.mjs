// Frames: masks, reserved bits, opcodes, lengths (RFC 6455 5.1, 5.2).
import { answer, binary, close, fillerOf, frame, ping, text } from './frames.mjs'

const MASK = Buffer.of(0x37, 0xfa, 0x21, 0x3d)
const RESERVED = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf]
const message = answer(1)
const lives = (name, rule, ...send) => ({ name, rule, send, fate: 'lives' })
const failed = (name, rule, bytes, says, code = 1002) => ({
  ...{ name, rule, send: [bytes], wire: [`close ${code}`], fate: 'again', says },
})
const masked = (name, make) => failed(`${name} under a mask`, '5.1', make({ mask: MASK }), /MASK/)
const longer = (name, bytes) => ({ ...lives(name, '5.2', bytes), deviation: 'longLength' })
const tooLong = (name, length) =>
  failed(`a length of ${name}`, '5.2', binary('hello', { length, form: 64 }), /payload/i, 1009)
const cut = (name, send) => ({
  name,
  rule: '5.2',
  send: [...send, 'finish'],
  fate: 'again',
  says: /1006/,
})
const paused = (bytes, at) => [bytes.subarray(0, at), 20, bytes.subarray(at)]

export const title = 'frames'
export const cases = [
  lives('a binary message', '5.6', binary(message)),
  {
    ...lives('the masks of the client', '5.3', binary(message)),
    ...{ masks: ['00000000'], deviation: 'maskOfZeros' },
  },
  lives('a pause within the header', '5.2', ...paused(binary(message), 1)),
  lives('a header apart from its payload', '5.2', ...paused(binary(message), 2)),
  lives('a pause within the payload', '5.2', ...paused(binary(message), 5)),
  lives(
    'a pause within a length of 64 bits',
    '5.2',
    ...paused(binary(fillerOf(70_000)), 5),
    binary(message),
  ),
  lives(
    '100 messages in one packet',
    '5.2',
    Buffer.concat([...Array(100).fill(binary(fillerOf(300))), binary(message)]),
  ),
  ...[300, 65_535, 65_536, 65_537].map((bytes) =>
    lives(
      `a message of ${bytes} bytes`,
      '5.2',
      Buffer.concat([binary(fillerOf(bytes)), binary(message)]),
    ),
  ),
  masked('a binary message', (options) => binary(message, options)),
  masked('an empty message', (options) => binary('', options)),
  masked('a text', (options) => text('hello', options)),
  masked('a ping', (options) => ping('hello', options)),
  masked('a close', (options) => close(1000, '', options)),
  masked('a continuation', (options) =>
    Buffer.concat([binary(message, { fin: false }), frame(0, 'a', options)]),
  ),
  failed('the bit of a mask without one', '5.1', binary(message, { masked: true }), /MASK/),
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv) =>
    failed(
      `reserved bits ${rsv.toString(2).padStart(3, '0')}`,
      '5.2',
      binary(message, { rsv }),
      /RSV/,
    ),
  ),
  failed('a reserved bit in a ping', '5.2', ping('a', { rsv: 4 }), /RSV/),
  failed('a reserved bit in a close', '5.2', close(1000, '', { rsv: 1 }), /RSV/),
  ...RESERVED.map((opcode) =>
    failed(`opcode ${opcode.toString(16).toUpperCase()}`, '5.2', frame(opcode, message), /opcode/),
  ),
  failed('opcode 3 without FIN', '5.2', frame(3, message, { fin: false }), /opcode/),
  failed('opcode B without a payload', '5.2', frame(0xb), /opcode/),
  longer('a small length in 16 bits', binary(message, { form: 16 })),
  longer('a small length in 64 bits', binary(message, { form: 64 })),
  longer(
    'a length of 16 bits in 64',
    Buffer.concat([binary(fillerOf(300), { form: 64 }), binary(message)]),
  ),
  tooLong('2^53', 2n ** 53n),
  tooLong('2^63', 2n ** 63n),
  tooLong('2^64 - 1', 2n ** 64n - 1n),
  cut('the end within the header', [Buffer.of(0x82)]),
  cut('the end within a length', [binary(fillerOf(300)).subarray(0, 3)]),
  cut('the end within the payload', [binary(message).subarray(0, 6)]),
  cut('the end between frames', [binary(fillerOf(300))]),
  { ...cut('a reset between frames', []), send: [binary(fillerOf(300)), 20, 'reset'] },
  {
    ...failed(
      'a wrong frame of a server that does not let go',
      '7.1.7',
      frame(3, message),
      /opcode/,
    ),
    isHeld: true,
  },
  {
    ...failed(
      'a wrong frame, and others behind it',
      '7.1.7',
      Buffer.concat([frame(3, 'a'), binary(message), ping('a')]),
      /opcode/,
    ),
    isWhole: true,
  },
]
