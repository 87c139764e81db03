// Pings and pongs (RFC 6455 5.5, 5.5.2, 5.5.3).
import { binary, ping, pong, request } from './frames.mjs'

const ok = (name, rule, send, expect = []) => ({
  name,
  rule,
  send: [Buffer.concat([send].flat())],
  expect,
})
const failed = (name, rule, send) => ({
  ...ok(name, rule, send, ['end']),
  deviation: 'noCloseFrame',
})

export const title = 'pings and pongs'
export const cases = [
  ok('a ping of nothing', '5.5.2', ping(), ['pong']),
  ok('a ping of a byte', '5.5.2', ping(Buffer.of(0)), ['pong 00']),
  ok('a ping of text', '5.5.2', ping('Hello'), ['pong 48656c6c6f']),
  ok('a ping of bytes that are no text', '5.5.2', ping(Buffer.of(0, 0xff, 0xfe, 0xfd)), [
    'pong 00fffefd',
  ]),
  ok('a ping of 125 bytes', '5.5', ping(Buffer.alloc(125, 0xfe)), [`pong ${'fe'.repeat(125)}`]),
  ok(
    'ten pings',
    '5.5.3',
    Array.from({ length: 10 }, (_, it) => ping(Buffer.of(it))),
    [...Array.from({ length: 10 }, (_, it) => `pong 0${it}`)],
  ),
  ok('a ping, then a message', '5.5.2', [ping('a'), binary(request(1))], ['pong 61', 'answer 1']),
  ok('a message, then a ping', '5.5.2', [binary(request(1)), ping('a')], ['pong 61', 'answer 1']),
  ok('a pong that nobody asked for', '5.5.3', pong('a')),
  ok('a pong of nothing', '5.5.3', pong()),
  ok('a pong of 125 bytes', '5.5.3', pong('a'.repeat(125))),
  ok(
    'ten pongs',
    '5.5.3',
    Array.from({ length: 10 }, () => pong('a')),
  ),
  ok('a pong, then a ping', '5.5.3', [pong('a'), ping('b')], ['pong 62']),
  failed('a ping of 126 bytes', '5.5', ping('a'.repeat(126))),
  failed('a ping of 70,000 bytes', '5.5', ping('a'.repeat(70_000))),
  failed('a pong of 126 bytes', '5.5', pong('a'.repeat(126))),
  failed('a ping with its small length in 16 bits', '5.2', ping('a', { form: 16 })),
  failed('a ping with its small length in 64 bits', '5.2', ping('a', { form: 64 })),
  failed('a ping without FIN', '5.5', ping('a', { fin: false })),
  failed('a ping that claims 2^63 bytes', '5.2', ping('', { length: 2n ** 63n, form: 64 })),
]
