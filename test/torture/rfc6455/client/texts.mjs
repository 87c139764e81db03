// Text messages, which this protocol has no use for, and what UTF-8 they may be (RFC 6455 8.1). A
// valid one ends the client, as what sends it is no broker; one that is no UTF-8 only the
// connection.
import { IN_TWO, INVALID, VALID } from '../utf8.mjs'
import { more, text } from './frames.mjs'

const ENDS = {
  ...{ wire: ['close 4500 PROTOCOL_VIOLATION'], fate: 'ends PROTOCOL_VIOLATION' },
  says: /text message/,
}
const AGAIN = { wire: ['close 1007'], fate: 'again', says: /UTF-8/ }
const inTwo = ([name, first, second, isValid]) => ({
  ...{ name, rule: '8.1', ...(isValid ? ENDS : AGAIN) },
  send: [Buffer.concat([text(first, { fin: false }), more(second)])],
})

export const title = 'text'
export const cases = [
  ...VALID.map(([name, bytes]) => ({ name, rule: '5.6', send: [text(bytes)], ...ENDS })),
  ...INVALID.map(([name, bytes]) => ({ name, rule: '8.1', send: [text(bytes)], ...AGAIN })),
  ...IN_TWO.map(inTwo),
]
