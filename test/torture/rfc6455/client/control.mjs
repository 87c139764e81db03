// Pings and pongs (RFC 6455 5.5, 5.5.2, 5.5.3).
import { answer, binary, ping, pong } from './frames.mjs'

const lives = (name, rule, send, wire = []) => ({
  ...{ name, rule, wire, fate: 'lives' },
  send: [Buffer.concat([...[send].flat(), binary(answer(1))])],
})
const failed = (name, rule, send, says = /payload length/) => ({
  ...lives(name, rule, send, ['close 1002']),
  ...{ fate: 'again', says },
})

export const title = 'pings and pongs'
export const cases = [
  lives('a ping of nothing', '5.5.2', ping(), ['pong']),
  lives('a ping of a byte', '5.5.2', ping(Buffer.of(0)), ['pong 00']),
  lives('a ping of text', '5.5.2', ping('Hello'), ['pong 48656c6c6f']),
  lives('a ping of bytes that are no text', '5.5.2', ping(Buffer.of(0, 0xff, 0xfe)), [
    'pong 00fffe',
  ]),
  lives('a ping of 125 bytes', '5.5', ping(Buffer.alloc(125, 0xfe)), [`pong ${'fe'.repeat(125)}`]),
  lives(
    'ten pings',
    '5.5.3',
    Array.from({ length: 10 }, (_, it) => ping(Buffer.of(it))),
    Array.from({ length: 10 }, (_, it) => `pong 0${it}`),
  ),
  lives('a pong that nobody asked for', '5.5.3', pong('a')),
  lives('a pong of nothing', '5.5.3', pong()),
  lives('a pong of 125 bytes', '5.5.3', pong('a'.repeat(125))),
  lives('1,000 pongs', '5.5.3', Array(1000).fill(pong('a'))),
  lives('a pong, then a ping', '5.5.3', [pong('a'), ping('b')], ['pong 62']),
  failed('a ping of 126 bytes', '5.5', ping('a'.repeat(126))),
  failed('a ping of 70,000 bytes', '5.5', ping('a'.repeat(70_000))),
  failed('a pong of 126 bytes', '5.5', pong('a'.repeat(126))),
  failed('a ping with its small length in 16 bits', '5.5', ping('a', { form: 16 })),
  failed('a ping with its small length in 64 bits', '5.5', ping('a', { form: 64 })),
  failed('a ping without FIN', '5.5', ping('a', { fin: false }), /FIN/),
  failed('a ping that claims 2^63 bytes', '5.5', ping('', { length: 2n ** 63n, form: 64 })),
]
