// Text messages, which this protocol has no use for, and what UTF-8 they may be (RFC 6455 8.1). A
// valid one is closed as what it is; one that is no UTF-8 never gets so far.
import { more, text } from './frames.mjs'
import { IN_TWO, INVALID, VALID } from './utf8.mjs'

const CLOSED = ['close 4500 PROTOCOL_VIOLATION: a text frame; use binary ones', 'end']
const NO_FRAME = { expect: ['end'], deviation: 'noCloseFrame' }
const valid = ([name, bytes]) => ({
  ...{ name, rule: '5.6', send: [text(bytes)], expect: CLOSED },
})
const invalid = ([name, bytes]) => ({
  ...{ name: `${name}: no UTF-8`, rule: '8.1', send: [text(bytes)], ...NO_FRAME },
})
const inTwo = ([name, first, second, isValid]) => ({
  ...{ name: isValid ? name : `${name}: no UTF-8`, rule: '8.1' },
  ...(isValid ? { expect: CLOSED } : NO_FRAME),
  send: [Buffer.concat([text(first, { fin: false }), more(second)])],
})

export const title = 'text'
export const cases = [...VALID.map(valid), ...INVALID.map(invalid), ...IN_TWO.map(inTwo)]
