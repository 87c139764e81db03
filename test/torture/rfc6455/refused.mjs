// Opening handshakes that are wrong, and HTTP that is none (RFC 6455 4.2.1, 4.2.2; RFC 9112).
import { handshake } from './frames.mjs'

// What the library refuses before the request has come in full: bytes that come later reset the
// connection, and the answer may be lost with it.
const EARLY = ['431', '505']
// The connection stays, or ends, as nobody knows what of the rest would be a request.
const refused = (name, rule, bytes, status) => ({
  ...{ name, rule, raw: [Buffer.from(bytes)], expect: [status], probe: 'http' },
})
const ended = (name, rule, bytes, status) => ({
  ...refused(name, rule, bytes, status),
  ...{ expect: [status, 'end'], isWhole: EARLY.includes(status) },
})
const swallowed = (name, rule, bytes) => ({
  ...refused(name, rule, bytes),
  ...{ expect: [], probe: 'silence', deviation: 'swallowedHead' },
})
const localPage = handshake({ Origin: 'http://localhost:8080' })
const key = (value) => handshake({ 'Sec-WebSocket-Key': value })
const version = (value) => handshake({ 'Sec-WebSocket-Version': value })
const line = (value) => handshake({}, value)
// A header as it stands, behind all others.
const withLine = (text) => `${handshake().toString('latin1').slice(0, -2)}${text}\r\n\r\n`

export const title = 'handshakes that are wrong'
export const cases = [
  refused('POST', '4.2.1 1', line('POST / HTTP/1.1'), '405'),
  refused('PUT', '4.2.1 1', line('PUT / HTTP/1.1'), '405'),
  refused('OPTIONS', '4.2.1 1', line('OPTIONS / HTTP/1.1'), '405'),
  { ...refused('HEAD', '4.2.1 1', line('HEAD / HTTP/1.1'), '426'), probe: 'silence' },
  ended('CONNECT', '4.2.1 1', line('CONNECT 127.0.0.1:80 HTTP/1.1'), '505'),
  refused('a method that nobody knows', '4.2.1 1', line('FETCH / HTTP/1.1'), '405'),
  ended('HTTP/1.0', '4.2.1 1', line('GET / HTTP/1.0'), '505'),
  ended('HTTP/2.0', '4.2.1 1', line('GET / HTTP/2.0'), '505'),
  ended('no version of HTTP', '4.2.1 1', line('GET /'), '505'),
  ended('the preface of HTTP/2', '4.2.1 1', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '505'),
  refused('another path', '4.2.2 4', line('GET /other HTTP/1.1'), '404'),
  refused('a path of more slashes', '4.2.2 4', line('GET // HTTP/1.1'), '404'),
  ended('no host', '4.2.1 2', handshake({ Host: null }), '400'),
  refused('a host without a name', '4.2.1 2', handshake({ Host: '' }), '403'),
  refused('the host of others', '4.2.1 2', handshake({ Host: 'example.org' }), '403'),
  ended('two hosts', '9112 3.2', handshake({ Host: ['127.0.0.1', 'example.org'] }), '400'),
  refused('an origin of others', '4.2.2 4', handshake({ Origin: 'https://example.org' }), '403'),
  refused('another origin of this machine', '4.2.2 4', localPage, '403'),
  refused('no upgrade', '4.2.1 3', handshake({ Upgrade: null }), '426'),
  refused('an upgrade to something else', '4.2.1 3', handshake({ Upgrade: 'h2c' }), '426'),
  refused('no connection', '4.2.1 4', handshake({ Connection: null }), '426'),
  ended('a connection to be closed', '4.2.1 4', handshake({ Connection: 'close' }), '426'),
  refused(
    'a connection much like an upgrade',
    '4.2.1 4',
    handshake({ Connection: 'upgrades' }),
    '426',
  ),
  ended('no key', '4.2.1 5', key(null), '400'),
  ended('an empty key', '4.2.1 5', key(''), '400'),
  ended('a key of 15 bytes', '4.2.1 5', key('AAAAAAAAAAAAAAAAAAAA'), '400'),
  ended('a key of 17 bytes', '4.2.1 5', key('AAAAAAAAAAAAAAAAAAAAAAA='), '400'),
  ended('a key of 18 bytes', '4.2.1 5', key('AAAAAAAAAAAAAAAAAAAAAAAA'), '400'),
  ended('a key that is no base64', '4.2.1 5', key('dGhl!HNhbXBsZSBub25jZQ=='), '400'),
  ended('a key with spaces inside', '4.2.1 5', key('dGhl IHNhbXBsZSBub25jZ=='), '400'),
  ended('two keys', '11.3.1', key(['AAAAAAAAAAAAAAAAAAAAAA==', 'dGhlIHNhbXBsZSBub25jZQ==']), '400'),
  refused('no version', '4.2.1 6', version(null), '426'),
  refused('version 12', '4.4', version('12'), '426'),
  refused('version 8', '4.4', version('8'), '426'),
  refused('version 14', '4.4', version('14'), '426'),
  refused('version 013', '4.4', version('013'), '426'),
  refused('version 13.0', '4.4', version('13.0'), '426'),
  refused('two versions in one header', '11.3.5', version('13, 8'), '426'),
  refused('two headers of a version', '11.3.5', version(['13', '8']), '426'),
  refused('an empty version', '4.4', version(''), '426'),
  swallowed('a header without a colon', '9112 5', withLine('Nonsense')),
  {
    ...refused('a header without a name', '9112 5', withLine(': value')),
    ...{ expect: ['101', 'welcome'], probe: 'request', deviation: 'namelessHeader' },
  },
  swallowed('a space before the colon', '9112 5.1', withLine('X-Other : a')),
  swallowed('a folded header', '9112 5.2', withLine('X-Other: a\r\n  b')),
  swallowed('a zero byte in a header', '9110 5.5', withLine('X-Other: a\0b')),
  ended(
    'lines that end without CR',
    '9112 2.2',
    handshake().toString().replaceAll('\r', ''),
    '505',
  ),
  ended('a header of 20,000 bytes', '6585 5', withLine(`X-Other: ${'a'.repeat(20_000)}`), '431'),
  ended('1,000 headers', '6585 5', withLine(Array(1000).fill('X: a').join('\r\n')), '431'),
  ended('a line of 20,000 bytes', '9112 3', line(`GET /${'a'.repeat(20_000)} HTTP/1.1`), '431'),
  ended(
    'a body of two lengths',
    '9112 6.3',
    withLine('Content-Length: 4\r\nContent-Length: 5'),
    '400',
  ),
  ended('a body of no length', '9112 6.3', withLine('Content-Length: -1'), '400'),
  ended(
    'a body with two ends',
    '9112 6.1',
    withLine('Content-Length: 4\r\nTransfer-Encoding: chunked'),
    '400',
  ),
  ended('a greeting of TLS', '9112 2.2', Buffer.from('16030100c4010000c00303', 'hex'), '505'),
  ended('frames before any handshake', '4.1', Buffer.from('8285000000009113a77374', 'hex'), '505'),
]
