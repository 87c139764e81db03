// Opening handshakes that are right (RFC 6455 4.1, 4.2.1, 4.2.2; RFC 9112 for what HTTP says).
import { binary, handshake, request } from './frames.mjs'

const OPEN = ['101', 'welcome']
const accepted = (name, rule, raw, more = {}) => ({
  ...{ name, rule, raw: [raw].flat(), expect: OPEN },
  ...more,
})

export const title = 'opening handshakes'
export const cases = [
  accepted('that of the RFC', '1.3', handshake()),
  accepted('a key of zeros', '4.1', handshake({ 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==' })),
  accepted('another key', '4.1', handshake({ 'Sec-WebSocket-Key': 'x3JJHMbDL1EzLkh9GBhXDw==' })),
  accepted('the upgrade in other letters', '4.2.1 3', handshake({ Upgrade: 'WebSocket' })),
  accepted('the connection in other letters', '4.2.1 4', handshake({ Connection: 'UPGRADE' })),
  accepted(
    'one of two connection options',
    '4.2.1 4',
    handshake({ Connection: 'keep-alive, Upgrade' }),
  ),
  accepted(
    'two headers of connection',
    '4.2.1 4',
    handshake({ Connection: ['keep-alive', 'Upgrade'] }),
  ),
  accepted('names of headers in small letters', '4.1', lower(handshake())),
  accepted('names of headers in capitals', '4.1', upper(handshake())),
  accepted('values without a space before them', '9112 5', tight(handshake())),
  accepted('values among spaces and tabs', '9112 5', wide(handshake())),
  accepted('a query', '3', handshake({}, 'GET /?a=b HTTP/1.1')),
  accepted(
    'headers that nobody knows',
    '4.2.1',
    handshake({ 'X-Other': 'a: b, c', Cookie: 'a=b' }),
  ),
  accepted('a header without a value', '9112 5', handshake({ 'X-Empty': '' })),
  accepted('the host with a port', '4.2.1 2', handshake({ Host: '127.0.0.1:4570' })),
  accepted('the host as a name', '4.2.1 2', handshake({ Host: 'LOCALHOST' })),
  accepted(
    'the origin of the broker itself',
    '4.2.1 7',
    handshake({ Host: '127.0.0.1:4570', Origin: 'http://127.0.0.1:4570' }),
  ),
  accepted('the second of two subprotocols', '4.2.2 5', protocols('other, millrace.v1')),
  accepted('subprotocols without spaces', '4.2.1 8', protocols('other,millrace.v1,more')),
  accepted('subprotocols in two headers', '11.3.4', protocols(['other', 'millrace.v1'])),
  accepted(
    'a message in the same packet',
    '4.1',
    [Buffer.concat([handshake(), binary(request(1))])],
    { isWhole: true, deviation: 'droppedWithHandshake' },
  ),
  accepted(
    'a request over HTTP before it',
    '9112 9.3.2',
    [Buffer.concat([Buffer.from('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'), handshake()])],
    { isWhole: true, expect: ['200', ...OPEN] },
  ),
  accepted('slowly', '4.2', [...slowly(handshake())]),
  accepted('a pause within the method', '4.2', paused(handshake(), 3), { isWhole: true }),
  accepted('a pause behind the first line', '4.2', paused(handshake(), 16), { isWhole: true }),
  // Long enough for a busy machine to read the first part alone.
  accepted('a pause within the first line', '4.2', paused(handshake(), 10, 1500), {
    ...{ isWhole: true, expect: ['505', 'end'], deviation: 'brokenFirstLine' },
  }),
  accepted('no subprotocol', '4.2.2 5', protocols(null), {
    expect: ['101', 'close 4501 UNSUPPORTED_VERSION: this broker speaks millrace.v1', 'end'],
  }),
  accepted('another subprotocol', '4.2.2 5', protocols('chat'), {
    expect: ['101', 'close 4501 UNSUPPORTED_VERSION: this broker speaks millrace.v1', 'end'],
  }),
  accepted('the subprotocol in other letters', '4.2.1 8', protocols('Millrace.V1'), {
    expect: ['101', 'close 4501 UNSUPPORTED_VERSION: this broker speaks millrace.v1', 'end'],
  }),
]

function protocols(value) {
  return handshake({ 'Sec-WebSocket-Protocol': value })
}

function paused(bytes, at, millis = 20) {
  return [bytes.subarray(0, at), millis, bytes.subarray(at)]
}

function* slowly(bytes) {
  for (let at = 0; at < bytes.length; at += 40) {
    yield bytes.subarray(at, at + 40)
    yield 15
  }
}

// The names of headers are changed, the first line and the values stay.
function names(bytes, change) {
  const [line, ...headers] = bytes.toString('latin1').split('\r\n')
  const changed = headers.map((it) => it.replace(/^[^:]+/, change))
  return Buffer.from([line, ...changed].join('\r\n'), 'latin1')
}

function lower(bytes) {
  return names(bytes, (name) => name.toLowerCase())
}

function upper(bytes) {
  return names(bytes, (name) => name.toUpperCase())
}

function tight(bytes) {
  return Buffer.from(bytes.toString('latin1').replaceAll(': ', ':'), 'latin1')
}

function wide(bytes) {
  const [line, ...headers] = bytes.toString('latin1').split('\r\n')
  const changed = headers.map((it) => it.replace(/: (.*)$/, ': \t $1 \t'))
  return Buffer.from([line, ...changed].join('\r\n'), 'latin1')
}
