// Text messages, which this protocol has no use for, and what UTF-8 they may be (RFC 6455 8.1). A
// valid one is closed as what it is; one that is no UTF-8 never gets so far.
import { more, text } from './frames.mjs'

const CLOSED = ['close 4500 PROTOCOL_VIOLATION: a text frame; use binary ones', 'end']
const valid = (name, bytes) => ({
  ...{ name, rule: '5.6', send: [text(bytes)], expect: CLOSED },
})
const invalid = (name, bytes) => ({
  ...{ name: `${name}: no UTF-8`, rule: '8.1', send: [text(bytes)], expect: ['end'] },
  deviation: 'noCloseFrame',
})
const NO_FRAME = { deviation: 'noCloseFrame' }
const hex = (digits) => Buffer.from(digits.replaceAll(' ', ''), 'hex')
const inTwo = (name, first, second, expect, change = {}) => ({
  ...{ name, rule: '8.1', expect, ...change },
  send: [Buffer.concat([text(hex(first), { fin: false }), more(hex(second))])],
})

export const title = 'text'
export const cases = [
  valid('of nothing', ''),
  valid('of ASCII', 'hello'),
  valid('of a zero byte', hex('00')),
  valid('of characters of two to four bytes', 'é€𝄞'),
  valid('of the last characters of each length', hex('7f dfbf efbfbf f48fbfbf')),
  valid('with a byte order mark', hex('efbbbf 61')),
  valid('of 70,000 bytes', 'é'.repeat(35_000)),
  invalid('a continuation alone', hex('80')),
  invalid('a lead alone', hex('c3')),
  invalid('a character that is cut', hex('61 e282')),
  invalid('a zero in two bytes', hex('c080')),
  invalid('a slash in two bytes', hex('c0af')),
  invalid('a slash in three bytes', hex('e080af')),
  invalid('a slash in four bytes', hex('f08080af')),
  invalid('the first surrogate', hex('eda080')),
  invalid('the last surrogate', hex('edbfbf')),
  invalid('above the last character', hex('f4908080')),
  invalid('five bytes', hex('f888808080')),
  invalid('FE', hex('fe')),
  invalid('FF', hex('ff')),
  invalid('at the end of 70,000 bytes', Buffer.concat([Buffer.alloc(70_000, 'a'), hex('ff')])),
  inTwo('a character over two fragments', '61 e2', '82ac', CLOSED),
  inTwo(
    'a character that does not go on in the next fragment: no UTF-8',
    '61 e2',
    '61',
    ['end'],
    NO_FRAME,
  ),
  inTwo(
    'a second fragment that begins within a character: no UTF-8',
    '61',
    '82ac',
    ['end'],
    NO_FRAME,
  ),
]
