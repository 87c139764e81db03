// Messages at the limits and one byte beyond: above what is announced they are answered, above the
// last line the connection ends (RFC 6455 10.4).
import { binary, frame, inFragments, OPCODE, request, requestOf } from './frames.mjs'

const NO_FRAME = { deviation: 'noCloseFrame' }
// As src/limits.ts has them.
const FRAME_BYTES_MAX = 10 * 1024 * 1024 + 64 * 1024
const MESSAGE_BYTES_MAX = FRAME_BYTES_MAX + 1024 * 1024
const PIECE = 1024 * 1024

const sized = (name, make, expect) => ({
  ...{ name, rule: '10.4', isWhole: true, make, expect },
  ...(expect[0] === 'end' ? NO_FRAME : {}),
})
const whole = (bytes, expect, what) =>
  sized(`a message of ${bytes} bytes, ${what}`, () => [binary(requestOf(bytes))], expect)
const parts = (bytes, expect, what) =>
  sized(
    `${bytes} bytes in fragments, ${what}`,
    () => [inFragments(requestOf(bytes), PIECE)],
    expect,
  )
const claim = (name, length) => ({
  ...{ name: `a claim of ${name}`, rule: '10.4', expect: ['end'], ...NO_FRAME },
  send: [binary(request(1), { length, form: 64 })],
})

export const title = 'sizes'
export const cases = [
  whole(FRAME_BYTES_MAX, ['answer 1'], 'the announced limit'),
  whole(FRAME_BYTES_MAX + 1, ['answer 1'], 'one beyond'),
  whole(MESSAGE_BYTES_MAX, ['answer 1'], 'the last line'),
  whole(MESSAGE_BYTES_MAX + 1, ['end'], 'one beyond'),
  parts(FRAME_BYTES_MAX, ['answer 1'], 'the announced limit'),
  parts(FRAME_BYTES_MAX + 1, ['answer 1'], 'one beyond'),
  parts(MESSAGE_BYTES_MAX, ['answer 1'], 'the last line'),
  parts(MESSAGE_BYTES_MAX + 1, ['end'], 'one beyond'),
  claim('one byte beyond', BigInt(MESSAGE_BYTES_MAX) + 1n),
  claim('2^31 bytes', 2n ** 31n),
  claim('2^32 bytes', 2n ** 32n),
  claim('2^32 + 9 bytes', 2n ** 32n + 9n),
  claim('2^62 bytes', 2n ** 62n),
  claim('2^63 - 1 bytes', 2n ** 63n - 1n),
  {
    ...{ name: 'a claim of all, behind a fragment', rule: '10.4', expect: [], probe: 'silence' },
    send: [
      Buffer.concat([
        frame(OPCODE.binary, request(1), { fin: false }),
        frame(OPCODE.continuation, '', { length: MESSAGE_BYTES_MAX }),
        Buffer.alloc(70_000),
      ]),
    ],
  },
]
