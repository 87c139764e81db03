// The closing handshake (RFC 6455 5.5.1, 7.1, 7.4).
import { CODES, LATER_CODES, LIBRARY_CODES, OWN_CODES, WRONG_CODES } from './close-codes.mjs'
import { binary, close, frame, OPCODE, ping, request, text } from './frames.mjs'

const closing = (name, rule, send, expect) => ({ name, rule, send: [send].flat(), expect })
const echoed = (code) => closing(`code ${code}`, '7.4', close(code), [`close ${code}`, 'end'])
const emptied = (code) => ({
  ...closing(`code ${code}`, '5.5.1', close(code), ['close', 'end']),
  deviation: 'codeNotEchoed',
})
const refused = (name, rule, send) => ({
  ...closing(name, rule, send, ['close', 'end']),
  deviation: 'badCloseEmptied',
})
const refusedCode = (code) => refused(`code ${code}`, '7.4', close(code))
const textClose = 'close 4500 PROTOCOL_VIOLATION: a text frame; use binary ones'
const raw = (bytes) => frame(OPCODE.close, bytes)

export const title = 'closing handshakes'
export const cases = [
  closing('no code', '5.5.1', close(), ['close', 'end']),
  ...[...CODES, ...OWN_CODES].map(echoed),
  ...[...LATER_CODES, ...LIBRARY_CODES].map(emptied),
  ...WRONG_CODES.map(refusedCode),
  refused('a body of one byte', '5.5.1', raw(Buffer.of(3))),
  closing('a reason', '5.5.1', close(1000, 'bye'), ['close 1000 bye', 'end']),
  closing('a reason of 123 bytes', '5.5.1', close(1000, 'a'.repeat(123)), [
    ...[`close 1000 ${'a'.repeat(123)}`, 'end'],
  ]),
  closing('a reason in other letters', '5.5.1', close(1000, 'até já ☃'), [
    ...['close 1000 até já ☃', 'end'],
  ]),
  {
    ...closing('a body of 126 bytes', '5.5', close(1000, 'a'.repeat(124)), ['end']),
    deviation: 'noCloseFrame',
  },
  refused('a reason that is no UTF-8', '8.1', close(1000, Buffer.of(0xff, 0xfe))),
  refused('a reason cut within a character', '8.1', close(1000, Buffer.of(0xe2, 0x98))),
  refused(
    'a reason with half a pair of surrogates',
    '8.1',
    close(1000, Buffer.of(0xed, 0xa0, 0x80)),
  ),
  closing('two closes', '5.5.1', Buffer.concat([close(1000), close(1001)]), ['close 1000', 'end']),
  closing('a message behind it', '5.5.1', Buffer.concat([close(1000), binary(request(1))]), [
    ...['close 1000', 'end'],
  ]),
  closing('a ping behind it', '5.5.1', Buffer.concat([close(1000), ping('a')]), [
    ...['close 1000', 'end'],
  ]),
  closing('nonsense behind it', '5.5.1', Buffer.concat([close(1000), Buffer.alloc(200, 0xff)]), [
    ...['close 1000', 'end'],
  ]),
  closing(
    'a message before it',
    '5.5.1',
    [binary(request(1)), 'answer 1', close(1000)],
    [...['answer 1', 'close 1000', 'end']],
  ),
  closing('a ping before it', '5.5.1', Buffer.concat([ping('a'), close(1000)]), [
    ...['pong 61', 'close 1000', 'end'],
  ]),
  closing('the end of the connection without it', '7.1.5', ['finish'], ['end']),
  closing(
    'the end of the connection behind it',
    '7.1.1',
    [close(1000), 'finish'],
    [...['close 1000', 'end']],
  ),
  closing(
    'the end of the connection within a frame',
    '7.1.5',
    [...[binary(request(1)).subarray(0, 8), 'finish']],
    ['end'],
  ),
  closing('that of the broker', '7.1.1', text('a'), [textClose, 'end']),
  closing(
    'that of the broker, and messages behind what it is for',
    '7.1.7',
    [Buffer.concat([text('a'), binary(request(1)), ping('a')])],
    [textClose, 'end'],
  ),
  closing(
    'that of the broker, answered',
    '5.5.1',
    [text('a'), 10, close(4500)],
    [...[textClose, 'end']],
  ),
  closing(
    'that of the broker, and messages instead of an answer',
    '5.5.1',
    [...[text('a'), 10, binary(request(1)), 10, ping('a')]],
    [textClose, 'end'],
  ),
]
