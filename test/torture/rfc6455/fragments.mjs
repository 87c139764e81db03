// Messages in fragments, and control frames between them (RFC 6455 5.4).
import {
  binary,
  close,
  frame,
  inFragments,
  more,
  OPCODE,
  ping,
  pong,
  request,
  requestOf,
  text,
} from './frames.mjs'

const ok = (name, send, expect = ['answer 1'], change = {}) => ({
  ...{ name, rule: '5.4', send: [Buffer.concat([send].flat())], expect },
  ...change,
})
const failed = (name, send) => ok(name, send, ['end'], { deviation: 'noCloseFrame' })
const joined = (name, send, what) =>
  ok(name, send, [`close 4500 PROTOCOL_VIOLATION: ${what}`, 'end'], { deviation: 'joined' })
const NO_STRING = 'byte 3: a string that is not valid UTF-8, or begins with a byte order mark'
const message = request(1)
const start = (bytes = message.subarray(0, 5)) => binary(bytes, { fin: false })
const middle = (bytes) => more(bytes, { fin: false })
const end = (bytes = message.subarray(5)) => more(bytes)
const empty = ['close 4500 PROTOCOL_VIOLATION: byte 0: wanted an array', 'end']

export const title = 'fragments'
export const cases = [
  ok('two of them', [start(), end()]),
  ok('one byte each', inFragments(message, 1)),
  ok('1,000 of them', inFragments(requestOf(1000), 1)),
  ok('of 70,000 bytes', inFragments(requestOf(200_000), 70_000)),
  ok('an empty first one', [start(''), end(message)]),
  ok('an empty last one', [start(message), end('')]),
  ok('empty ones between', [start(), middle(''), middle(''), end()]),
  ok('empty ones alone', [start(''), middle(''), end('')], empty),
  ok(
    'two messages, one behind the other',
    [start(), end(), inFragments(request(2), 3)],
    [...['answer 1', 'answer 2']],
  ),
  ok('a ping between', [start(), ping('a'), end()], ['pong 61', 'answer 1']),
  ok(
    'a ping of 125 bytes between',
    [start(), ping('a'.repeat(125)), end()],
    [...[`pong ${'61'.repeat(125)}`, 'answer 1']],
  ),
  ok('an empty ping between', [start(), ping(), end()], ['pong', 'answer 1']),
  ok(
    'three pings between',
    [start(), ping('a'), middle(''), ping('b'), ping('c'), end()],
    [...['pong 61', 'pong 62', 'pong 63', 'answer 1']],
  ),
  ok('a pong between', [start(), pong('a'), end()]),
  ok(
    'a ping before the first fragment has come',
    [start(''), ping('a'), end(message)],
    [...['pong 61', 'answer 1']],
  ),
  ok('a close between', [start(), close(1000)], ['close 1000', 'end']),
  ok('a message that does not end', [start()], [], { probe: 'ping' }),
  ok(
    'text',
    [text('he', { fin: false }), end('llo')],
    [...['close 4500 PROTOCOL_VIOLATION: a text frame; use binary ones', 'end']],
  ),
  failed('a continuation without a beginning', end()),
  failed('a continuation without a beginning or an end', middle(message)),
  failed('an empty continuation without a beginning', end('')),
  {
    ...failed('a continuation behind a whole message', []),
    ...{ send: [binary(message), 'answer 1', end()], expect: ['answer 1', 'end'] },
  },
  joined('a binary message within one', [start(), binary(message)], NO_STRING),
  joined('the beginning of a binary message within one', [start(), start(), end()], NO_STRING),
  failed('a text message within a binary one', [start(), text('hello')]),
  joined(
    'a binary message within a text',
    [text('he', { fin: false }), binary(message)],
    [...['byte 0: wanted an array']],
  ),
  failed('a reserved opcode within a message', [start(), frame(3, 'a'), end()]),
  failed('a reserved bit in a continuation', [start(), more(message.subarray(5), { rsv: 4 })]),
  failed('a ping in two fragments', [ping('a', { fin: false }), more('b')]),
  failed('a ping in two fragments within a message', [
    start(),
    ping('a', { fin: false }),
    more('b'),
  ]),
  failed('a pong without FIN', pong('a', { fin: false })),
  failed('a close without FIN', frame(OPCODE.close, Buffer.of(3, 0xe8), { fin: false })),
  ok('a continuation without a mask', [start(), more(message.subarray(5), { mask: null })], [], {
    ...{ probe: 'silence', deviation: 'unmasked' },
  }),
]
