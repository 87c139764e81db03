// Messages in fragments, and control frames between them (RFC 6455 5.4).
import {
  answer,
  binary,
  close,
  fillerOf,
  frame,
  inFragments,
  more,
  OPCODE,
  ping,
  pong,
  text,
} from './frames.mjs'

const FRAGMENTS_MAX = 16_384
const message = answer(1)
const start = (bytes = message.subarray(0, 4)) => binary(bytes, { fin: false })
const middle = (bytes) => more(bytes, { fin: false })
const end = (bytes = message.subarray(4)) => more(bytes)
const lives = (name, send, wire = []) => ({
  ...{ name, rule: '5.4', send: [Buffer.concat([send].flat(2))], wire, fate: 'lives' },
})
const failed = (name, send, says = /opcode/, code = 1002) => ({
  ...lives(name, send, [`close ${code}`]),
  ...{ fate: 'again', says },
})

export const title = 'fragments'
export const cases = [
  lives('two of them', [start(), end()]),
  lives('one byte each', inFragments(message, 1)),
  lives('1,000 of them', [inFragments(fillerOf(1000), 1), binary(message)]),
  lives('of 70,000 bytes', [inFragments(fillerOf(200_000), 70_000), binary(message)]),
  lives('an empty first one', [start(''), end(message)]),
  lives('an empty last one', [start(message), end('')]),
  lives('empty ones between', [start(), middle(''), middle(''), end()]),
  lives('as many as are taken', [
    start(''),
    Array(FRAGMENTS_MAX - 2).fill(middle('')),
    end(message),
  ]),
  failed(
    'one more',
    [start(''), Array(FRAGMENTS_MAX - 1).fill(middle('')), end(message)],
    /fragments/,
    1008,
  ),
  lives('a ping between', [start(), ping('a'), end()], ['pong 61']),
  lives(
    'a ping of 125 bytes between',
    [start(), ping('a'.repeat(125)), end()],
    [`pong ${'61'.repeat(125)}`],
  ),
  lives(
    'three pings between',
    [start(), ping('a'), middle(''), ping('b'), ping(), end()],
    [...['pong 61', 'pong 62', 'pong']],
  ),
  lives('a pong between', [start(), pong('a'), end()]),
  {
    ...lives('a close between', [start(), close(1001)], ['close 1001']),
    fate: 'again',
    says: /1001/,
  },
  failed('a continuation without a beginning', end()),
  failed('a continuation without a beginning or an end', middle(message)),
  failed('an empty continuation without a beginning', end('')),
  failed('a continuation behind a whole message', [binary(fillerOf(300)), end()]),
  failed('a binary message within one', [start(), binary(message)]),
  failed('the beginning of a binary message within one', [start(), start(), end()]),
  failed('a text within a binary message', [start(), text('hello')]),
  failed('a binary message within a text', [text('he', { fin: false }), binary(message)]),
  failed('a reserved opcode within a message', [start(), frame(3, 'a'), end()]),
  failed('a reserved bit in a continuation', [start(), more('a', { rsv: 4 })], /RSV/),
  failed('a ping in two fragments', [ping('a', { fin: false }), more('b')], /FIN/),
  failed('a ping in two fragments within a message', [start(), ping('a', { fin: false })], /FIN/),
  failed('a pong without FIN', pong('a', { fin: false }), /FIN/),
  failed('a close without FIN', frame(OPCODE.close, Buffer.of(3, 0xe8), { fin: false }), /FIN/),
]
