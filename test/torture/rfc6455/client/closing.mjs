// The closing handshake (RFC 6455 5.5.1, 7.1, 7.4), and which codes of it our client comes again
// for (PROTOCOL.md, "Closing").
import { CODES, LATER_CODES, LIBRARY_CODES, OWN_CODES, WRONG_CODES } from '../close-codes.mjs'
import { answer, binary, close, frame, OPCODE, ping } from './frames.mjs'

const COMES_AGAIN = new Set([1001, 1011, ...LATER_CODES, 4000])
const ENDS = {
  1000: 'ACCESS_DENIED',
  1008: 'ACCESS_DENIED',
  4501: 'UNSUPPORTED_VERSION',
  4503: 'ACCESS_DENIED',
  4504: 'UNAUTHENTICATED',
  4999: 'ACCESS_DENIED',
}
const ours = [4401, 4408, 4410, 4429, 4499]
const oursForGood = [4500, 4501, 4503, 4504]

const again = (name, rule, send, wire, says, more = {}) => ({
  ...{ name, rule, send: [send].flat(), wire, fate: 'again', says },
  ...more,
})
const echoed = (code) =>
  again(`code ${code}`, '7.4', close(code), [`close ${code}`], new RegExp(`${code}`))
const final = (code) => ({
  ...echoed(code),
  fate: `ends ${ENDS[code] ?? 'PROTOCOL_VIOLATION'}`,
})
const refused = (name, rule, bytes, says = /status code/, code = 1002) =>
  again(name, rule, bytes, [`close ${code}`], says)
const reason = (name, text) =>
  again(name, '5.5.1', close(1012, text), [`close 1012 ${text}`], new RegExp(text.slice(-6)))
const noText = (name, bytes) => refused(name, '8.1', close(1012, bytes), /UTF-8/, 1007)
const isAgain = (code) => COMES_AGAIN.has(code)
const all = [...CODES, ...LATER_CODES, ...LIBRARY_CODES, ...OWN_CODES]

export const title = 'closing handshakes'
export const cases = [
  again('no code', '5.5.1', close(), ['close'], /1005/),
  ...[...all.filter(isAgain), ...ours].map(echoed),
  ...[...all.filter((it) => !isAgain(it)), ...oursForGood].map(final),
  ...WRONG_CODES.map((code) => refused(`code ${code}`, '7.4', close(code))),
  refused('a body of one byte', '5.5.1', frame(OPCODE.close, Buffer.of(3)), /payload length/),
  refused('a body of 126 bytes', '5.5', close(1012, 'a'.repeat(124)), /payload length/),
  reason('a reason of 123 bytes', 'a'.repeat(123)),
  reason('a reason in other letters', 'até já ☃'),
  reason('a reason with a time to wait', 'SERVER_CLOSING retryAfterMs=5'),
  reason('a reason with a time to wait that is none', 'SERVER_CLOSING retryAfterMs=-5e9'),
  noText('a reason that is no UTF-8', Buffer.of(0xff, 0xfe)),
  noText('a reason cut within a character', Buffer.of(0xe2, 0x98)),
  noText('a reason with half a pair of surrogates', Buffer.of(0xed, 0xa0, 0x80)),
  again('two closes', '5.5.1', Buffer.concat([close(1012), close(1000)]), ['close 1012'], /1012/),
  again(
    'a message behind it',
    '5.5.1',
    Buffer.concat([close(1012), binary(answer(1))]),
    ['close 1012'],
    /1012/,
  ),
  again(
    'a ping behind it',
    '5.5.1',
    Buffer.concat([close(1012), ping('a')]),
    ['close 1012'],
    /1012/,
  ),
  again(
    'nonsense behind it',
    '5.5.1',
    Buffer.concat([close(1012), Buffer.alloc(200, 0xff)]),
    ['close 1012'],
    /1012/,
  ),
  again(
    'a ping before it',
    '5.5.1',
    Buffer.concat([ping('a'), close(1012)]),
    [...['pong 61', 'close 1012']],
    /1012/,
  ),
  again('the end without it', '7.1.5', 'finish', [], /1006/),
  again('a reset instead of it', '7.1.5', 'reset', [], /1006/),
  again('the end behind it', '7.1.1', [close(1012), 'finish'], ['close 1012'], /1012/),
  again('a server that does not let go behind it', '7.1.1', close(1012), ['close 1012'], /1012/, {
    isHeld: true,
  }),
  {
    ...{
      name: 'that of the client',
      rule: '7.1.1',
      wire: ['close 1000'],
      fate: 'ends CLIENT_CLOSED',
    },
    ...{ send: ['close 1000', close(1000)], acts: (client) => client.close() },
  },
  {
    ...{ name: 'that of the client, unanswered', rule: '7.1.1', fate: 'ends CLIENT_CLOSED' },
    ...{ wire: ['close 1000'], send: [], isHeld: true, acts: (client) => client.close() },
  },
  {
    ...{ name: 'that of the client, answered by messages', rule: '7.1.1', isHeld: true },
    ...{ wire: ['close 1000'], fate: 'ends CLIENT_CLOSED', acts: (client) => client.close() },
    send: ['close 1000', binary(answer(1)), ping('a'), binary(answer(7))],
  },
  {
    ...{ name: 'both at once', rule: '7.1.1', acts: (client) => client.close() },
    ...{ wire: ['close 1000'], send: ['close 1000', close(1012)], fate: 'ends CLIENT_CLOSED' },
  },
]
