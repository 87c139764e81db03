// Answers to the opening handshake that refuse, or are wrong (RFC 6455 4.1; RFC 9112). A client
// that does not get what it needs comes again, later and later, unless the status says that this is
// of no use.
import { answer, binary, refusal, upgraded, welcome } from './frames.mjs'

const behind = { open: [] }
const again = (name, rule, head, says, more = {}) => ({
  ...{ name, rule, head: [head].flat(), fate: 'again', says, ...behind },
  ...more,
})
const ends = (name, rule, head, code, says) => ({
  ...{ name, rule, head: [head].flat(), fate: `ends ${code}`, says, ...behind },
})
const status = (code, headers) => again(`${code}`, '4.1 1', refusal(code, headers), /HTTP \d{3}/)
const final = (number, code) =>
  ends(`${number}`, '4.1 1', refusal(number), code, new RegExp(`HTTP ${number}`))
// Behind the handshake stands what would be right, so that it is that which is refused.
const wrong = (name, rule, change, says) =>
  again(name, rule, upgraded(change), says, { open: [binary(welcome), binary(answer(1))] })
const elsewhere = (code) => status(code, ['Location: ws://127.0.0.1:1/'])
const changed = (change) => (asked) =>
  Buffer.from(change(upgraded()(asked).toString('latin1')), 'latin1')
const withLine = (text) => changed((it) => `${it.slice(0, -2)}${text}\r\n\r\n`)
const PARSE = /Parse Error/
// The client waits for the welcome.
const SLOW = /no welcome/
const QUICK = { speed: 40 }

export const title = 'handshakes that are refused or wrong'
export const cases = [
  ...[200, 204, 206, 304, 402, 405, 408, 418, 500, 502, 503, 504, 505, 599].map((it) => status(it)),
  ...[300, 301, 302, 303, 307, 308].map(elsewhere),
  again('429', '4.1 1', refusal(429), /LIMIT_EXCEEDED|HTTP 429/),
  again('503 with a time to wait', '4.1 1', refusal(503, ['Retry-After: 0']), /retryAfterMs=0/),
  again(
    '503 with a date to wait for',
    '4.1 1',
    refusal(503, ['Retry-After: Mon, 1 Jan']),
    /HTTP 503/,
  ),
  again('a body that does not end', '4.1 1', refusal(200, ['Transfer-Encoding: chunked']), /./),
  final(400, 'UNSUPPORTED_VERSION'),
  final(401, 'UNAUTHENTICATED'),
  final(403, 'ACCESS_DENIED'),
  final(404, 'UNSUPPORTED_VERSION'),
  final(426, 'UNSUPPORTED_VERSION'),
  final(431, 'UNAUTHENTICATED'),
  wrong('no upgrade', '4.1 2', { Upgrade: null }, /./),
  wrong('an upgrade to something else', '4.1 2', { Upgrade: 'h2c' }, /Upgrade/),
  wrong('no connection', '4.1 3', { Connection: null }, /./),
  wrong('a connection to be closed', '4.1 3', { Connection: 'close' }, /./),
  wrong('no accept', '4.1 4', { 'Sec-WebSocket-Accept': null }, /Accept/),
  wrong('an empty accept', '4.1 4', { 'Sec-WebSocket-Accept': '' }, /Accept/),
  wrong(
    'the accept of another key',
    '4.1 4',
    { 'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' },
    /Accept/,
  ),
  again(
    'the accept in small letters',
    '4.1 4',
    changed((it) => it.replace(/(?<=Accept: ).*/, (value) => value.toLowerCase())),
    /Accept/,
  ),
  again(
    'two accepts',
    '4.1 4',
    changed((it) => it.replace(/Sec-WebSocket-Accept: .*\r\n/, '$&$&')),
    /Accept/,
  ),
  wrong('no subprotocol', '4.1 6', { 'Sec-WebSocket-Protocol': null }, /subprotocol/),
  wrong('another subprotocol', '4.1 6', { 'Sec-WebSocket-Protocol': 'chat' }, /subprotocol/),
  wrong(
    'the subprotocol in other letters',
    '4.1 6',
    { 'Sec-WebSocket-Protocol': 'Millrace.V1' },
    /subprotocol/,
  ),
  wrong(
    'two subprotocols',
    '4.2.2 5',
    { 'Sec-WebSocket-Protocol': 'millrace.v1, chat' },
    /subprotocol/,
  ),
  wrong(
    'two headers of a subprotocol',
    '4.2.2 5',
    { 'Sec-WebSocket-Protocol': ['millrace.v1', 'chat'] },
    /subprotocol/,
  ),
  wrong(
    'compression that nobody asked for',
    '4.1 5',
    { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    /xtension/,
  ),
  wrong(
    'an extension that nobody knows',
    '4.1 5',
    { 'Sec-WebSocket-Extensions': 'x-other' },
    /xtension/,
  ),
  wrong('an empty list of extensions', '4.1 5', { 'Sec-WebSocket-Extensions': '' }, /xtension/),
  again('HTTP/1.0', '4.1 1', upgraded({}, 'HTTP/1.0 101 Switching Protocols'), SLOW, QUICK),
  again('HTTP/2.0', '9112 2.3', upgraded({}, 'HTTP/2.0 101 Switching Protocols'), SLOW, QUICK),
  again('a status of two digits', '9112 4', upgraded({}, 'HTTP/1.1 10 Switching'), PARSE),
  again('a status that is no number', '9112 4', upgraded({}, 'HTTP/1.1 abc Switching'), PARSE),
  again('another protocol', '9112 4', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'), PARSE),
  again('a greeting of TLS', '9112 4', Buffer.from('16030300280200002403', 'hex'), PARSE),
  again('zeros', '9112 4', Buffer.alloc(1000), PARSE),
  again('frames without a handshake', '4.1', binary(welcome), PARSE),
  again('a header without a colon', '9112 5', withLine('Nonsense'), PARSE),
  again('a header without a name', '9112 5', withLine(': a'), PARSE),
  again('a space before the colon', '9112 5.1', withLine('X-Other : a'), PARSE),
  again('a zero byte in a header', '9110 5.5', withLine('X-Other: a\0b'), PARSE),
  again(
    'lines that end without CR',
    '9112 2.2',
    changed((it) => it.replaceAll('\r', '')),
    PARSE,
  ),
  again('a header of 20,000 bytes', '6585 5', withLine(`X: ${'a'.repeat(20_000)}`), /overflow/),
  again(
    'a reason of 20,000 bytes',
    '9112 4',
    upgraded({}, `HTTP/1.1 101 ${'a'.repeat(20_000)}`),
    /overflow/,
  ),
  again(
    'a body of two lengths',
    '9112 6.3',
    Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n'),
    PARSE,
  ),
  again('the end instead of it', '4.1', 'finish', /socket hang up/),
  again('a reset instead of it', '4.1', 'reset', /ECONNRESET|socket hang up/),
  again('the end within it', '4.1', [Buffer.from('HTTP/1.1 101 Switching'), 'finish'], /./),
  again('the end behind it', '4.1', [upgraded(), 'finish'], /1006/),
  again('a reset behind it', '4.1', [upgraded(), 20, 'reset'], /1006/),
]
