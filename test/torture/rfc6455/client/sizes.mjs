// Messages at the limit and one byte beyond (RFC 6455 10.4), and compressed ones, which nobody has
// agreed on (RFC 7692).
import { deflateRawSync } from 'node:zlib'
import { answer, binary, fillerOf, frame, inFragments, OPCODE } from './frames.mjs'

// As src/client/socket.ts has it.
const BYTES_MAX = 32 * 1024 * 1024
const PIECE = 1024 * 1024
const TOO_LARGE = { wire: ['close 1009'], fate: 'again', says: /payload/i }
const LIVES = { fate: 'lives' }

const sized = (name, make, outcome) => ({
  ...{ name, rule: '10.4', isWhole: true, send: [], make: () => [make(), binary(answer(1))] },
  ...outcome,
})
const claim = (name, length) => ({
  ...{ name: `a claim of ${name}`, rule: '10.4', ...TOO_LARGE },
  send: [binary('a', { length, form: 64 })],
})
const compressed = (name, bytes, code) => ({
  ...{ name, rule: '9.1', send: [binary(bytes, { rsv: 4 })] },
  ...{ wire: [`close ${code}`], fate: 'again', says: /RSV1/ },
})

export const title = 'sizes and compression'
export const cases = [
  sized('a message of the limit', () => binary(fillerOf(BYTES_MAX)), LIVES),
  sized('one byte beyond', () => binary(fillerOf(BYTES_MAX + 1)), TOO_LARGE),
  sized('the limit in fragments', () => inFragments(fillerOf(BYTES_MAX), PIECE), LIVES),
  sized(
    'one byte beyond in fragments',
    () => inFragments(fillerOf(BYTES_MAX + 1), PIECE),
    TOO_LARGE,
  ),
  claim('one byte beyond', BYTES_MAX + 1),
  claim('2^31 bytes', 2n ** 31n),
  claim('2^32 bytes', 2n ** 32n),
  claim('2^32 + 9 bytes', 2n ** 32n + 9n),
  claim('2^53 - 1 bytes', 2n ** 53n - 1n),
  claim('2^63 - 1 bytes', 2n ** 63n - 1n),
  {
    ...claim('all, behind a fragment', 0),
    send: [
      Buffer.concat([
        binary('a', { fin: false }),
        frame(OPCODE.continuation, '', { length: BYTES_MAX }),
      ]),
    ],
  },
  compressed('a compressed message', deflateRawSync(answer(1)), 1002),
  compressed('a compressed message of 10 MB', deflateRawSync(Buffer.alloc(10_000_000)), 1002),
  compressed('an empty compressed message', Buffer.of(0), 1002),
]
