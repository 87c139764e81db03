// Extensions are offered and not taken (RFC 6455 9, RFC 7692): there is none to negotiate.
import { deflateRawSync } from 'node:zlib'
import { binary, handshake, request } from './frames.mjs'

const OFFERS = [
  'permessage-deflate',
  'permessage-deflate; client_max_window_bits',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
  'permessage-deflate; server_max_window_bits=8, permessage-deflate',
  'permessage-deflate; server_max_window_bits=99',
  'x-webkit-deflate-frame',
  'permessage-bzip2; level=9',
  'permessage-deflate; ; =,',
]
const offer = (value) => handshake({ 'Sec-WebSocket-Extensions': value })
const taken = (name, rule, value, more = {}) => ({
  ...{ name, rule, raw: [offer(value)], expect: ['101', 'welcome'] },
  ...more,
})
const bomb = deflateRawSync(Buffer.alloc(10_000_000))

export const title = 'extensions'
export const cases = [
  ...OFFERS.map((value) => taken(`an offer of ${value}`, '9.1', value)),
  taken('two headers of offers', '9.1', ['permessage-deflate', 'x-other']),
  taken('an empty offer', '9.1', ''),
  ...[
    ['a compressed message', deflateRawSync(request(1))],
    ['a compressed message of 10 MB', bomb],
    ['an empty compressed message', Buffer.of(0)],
  ].map(([name, payload]) =>
    taken(`${name}, behind an offer`, '9.1', null, {
      raw: [offer('permessage-deflate'), 50, binary(payload, { rsv: 4 })],
      expect: ['101', 'welcome', 'end'],
      deviation: 'noCloseFrame',
    }),
  ),
]
