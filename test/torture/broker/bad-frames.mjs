// Frames that are wrong: made from valid ones by damage, or from nothing. Pure; a Random decides.
import { encode } from '@msgpack/msgpack'

// The stream that messages name, and that they may harm.
export const TARGET = 'target'

function bytes(random, count) {
  const result = new Uint8Array(count)
  for (let at = 0; at < count; at++) result[at] = random.below(256)
  return result
}

const pick = (random, list) => list[random.below(list.length)]

const record = (random) => [`key-${random.below(9)}`, bytes(random, random.below(40))]
const records = (random) => Array.from({ length: random.between(1, 6) }, () => record(random))
const CONSUMER = 'consumer'
const WORKER = 'worker'
const LEASE_MILLIS = 5000
const CREDIT = 65_536
const shardId = (random) => pick(random, ['shardId-000000000000', '1', 'shardId-9', ''])

// Fields of requests. Those of CreateStream name no legal stream, and need more than one damage to
// do so: streams that nobody wants would be what takes the memory.
const REQUESTS = [
  [0x20, (random) => [TARGET, null, [record(random)], null, 0, 0]],
  [0x21, (random) => [TARGET, pick(random, [null, 'os', 'disk']), records(random), null, 0, 0]],
  [0x21, (random) => [TARGET, null, records(random), null, random.bits(), random.below(5)]],
  [0x21, (random) => [TARGET, null, [record(random)], [bytes(random, 16)], 0, 0]],
  [0x24, (random) => [TARGET, null, 0, 1, 0, 0, 0, encode(record(random))]],
  [0x10, () => ['//', 1, 'ON_DEMAND', null, [['a', 'b']]]],
  [0x11, () => ['nowhere']],
  [0x12, (random) => [TARGET, random.below(3), null]],
  [0x13, () => [TARGET]],
  [0x14, (random) => [random.below(5), null, null]],
  [0x15, () => [TARGET, null, null, 10, null, ['AT_LATEST', null, null]]],
  [0x16, () => [TARGET, [['tag', 'value']]]],
  [0x17, () => [TARGET, ['tag']]],
  [0x18, () => [TARGET, null, 5]],
  [0x22, (random) => [TARGET, shardId(random), 'TRIM_HORIZON', null, null]],
  [0x23, (random) => [Buffer.from(bytes(random, 40)).toString('base64'), 10]],
  // What would be done is only told: shards that nobody wants would be what takes the memory.
  [0x1a, (random) => [TARGET, shardId(random), null, true]],
  [0x1b, (random) => [TARGET, shardId(random), shardId(random), true]],
  [0x1c, (random) => [TARGET, random.between(1, 4), true]],
  [0x1d, (random) => [TARGET, random.below(9000)]],
  [0x1e, (random) => [TARGET, random.below(9000)]],
  [0x1f, () => [TARGET, 1024 * 1024]],
  [0x25, (random) => [TARGET, pick(random, ['ON_DEMAND', 'PROVISIONED'])]],
  [0x26, () => []],
  [0x27, (random) => [TARGET, pick(random, [null, 2 ** 30])]],
  [0x28, (random) => [TARGET, shardId(random), null, 'LATEST', null, null, CREDIT, null]],
  [0x28, (random) => [TARGET, '0', CONSUMER, 'TRIM_HORIZON', null, null, CREDIT, random.below(4)]],
  [0x29, (random) => [TARGET, pick(random, [null, CONSUMER]), 'LATEST', null, CREDIT, []]],
  [0x29, (random) => [TARGET, null, 'LATEST', null, CREDIT, [['0', random.below(9)]]]],
  [0x2a, (random) => [random.below(9)]],
  [0x2b, () => [TARGET, ['ALL']]],
  [0x2c, () => [TARGET, ['IncomingBytes']]],
  [0x2d, () => [TARGET]],
  [0x2e, () => [TARGET, 'KMS', 'key']],
  [0x2f, () => [TARGET, 'KMS', 'key']],
  [0x30, () => [TARGET, CONSUMER, [['tag', 'value']]]],
  [0x31, () => [TARGET, CONSUMER]],
  [0x32, () => [TARGET, null, 10, null]],
  [0x33, () => [TARGET, CONSUMER]],
  [0x34, () => [TARGET, CONSUMER]],
  [0x35, (random) => [TARGET, CONSUMER, shardId(random), random.below(9), null]],
  [0x36, () => [TARGET, CONSUMER, WORKER, LEASE_MILLIS, 5]],
  [0x37, (random) => [TARGET, CONSUMER, WORKER, [['0', random.below(9)]]]],
  [0x38, (random) => [TARGET, CONSUMER, WORKER, shardId(random), random.below(9)]],
  [0x39, () => [TARGET, CONSUMER]],
  [0x3f, (random) => [bytes(random, random.below(90))]],
]

export const OPCODES = new Set(REQUESTS.map(([opcode]) => opcode))

export function validMessage(random) {
  const [opcode, fields] = pick(random, REQUESTS)
  return encode([opcode, random.below(1000), ...fields(random)])
}

// Values that have the form of a field and are hardly what it wants.
const WRONG_VALUES = {
  string: (random) =>
    pick(random, [
      ...[
        '',
        '.',
        '..',
        '../../x',
        '/etc/passwd',
        '%2e%2e',
        '__proto__',
        'constructor',
        'prototype',
      ],
      ...[
        'a\0b',
        '\r\n',
        '\u001b[2J',
        '\u202egnp',
        '\ufeff',
        '\u{1f600}'.repeat(9),
        '*',
        'nowhere',
      ],
      ...['x'.repeat(128), 'x'.repeat(1024), '9'.repeat(129), '18446744073709551616', '-1', '1e9'],
    ]),
  number: (random) =>
    pick(random, [0, 1, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 65_535, random.bits()]),
  boolean: (random) => random.chance(0.5),
  bytes: (random) => bytes(random, random.below(200)),
}

const kindOf = (value) => (value instanceof Uint8Array ? 'bytes' : typeof value)

// One value somewhere in a request is another of its kind, null, or nothing at all.
function wrongField(random, fields) {
  const at = random.below(fields.length)
  const value = fields[at]
  if (Array.isArray(value) && value.length > 0 && random.chance(0.8)) {
    return fields.with(at, wrongField(random, value))
  }
  const other = WRONG_VALUES[kindOf(value)]
  if (other === undefined || random.chance(0.05)) return fields.with(at, pick(random, [null, []]))
  return fields.with(at, other(random))
}

// Requests that write to the catalog where they are right after all, which waits for the disk: with
// many of those there would be time for few others.
const CHANGES = new Set([
  ...[0x10, 0x11, 0x16, 0x17, 0x1d, 0x1e, 0x1f, 0x25, 0x27, 0x2b, 0x2c, 0x2e, 0x2f],
  ...[0x30, 0x31, 0x33, 0x35, 0x36, 0x37, 0x38],
])
const CHANGE_CHANCE = 0.005
const QUESTIONS = REQUESTS.filter(([opcode]) => !CHANGES.has(opcode))
const CHANGING = REQUESTS.filter(([opcode]) => CHANGES.has(opcode))

// A message that can most likely be decoded, and asks for what there is not.
export function wrongMessage(random) {
  const [opcode, makeFields] = pick(random, random.chance(CHANGE_CHANCE) ? CHANGING : QUESTIONS)
  const fields = makeFields(random)
  const wrong = fields.length === 0 ? fields : wrongField(random, fields)
  return encode([opcode, random.below(1000), ...wrong])
}

// What all objects share, by its names.
const SHARED_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', '__defineSetter__']
const SHARED_MAP = JSON.parse(
  '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
)
const MAP_CHANCE = 0.01

function pollutedValue(random, value) {
  if (random.chance(MAP_CHANCE)) return SHARED_MAP
  if (Array.isArray(value)) return value.map((it) => pollutedValue(random, it))
  return typeof value === 'string' && random.chance(0.5) ? pick(random, SHARED_NAMES) : value
}

// A message that would change what all objects share, if any of it became the name of a property.
export function pollutingMessage(random) {
  const [opcode, makeFields] = pick(random, random.chance(CHANGE_CHANCE) ? CHANGING : QUESTIONS)
  const fields = makeFields(random).map((it) => pollutedValue(random, it))
  return encode([opcode, random.below(1000), ...fields])
}

// Headers that claim what is not there.
const CLAIMS = [
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdc, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff],
  [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0xd6, 0xff, 0, 0, 0, 1],
  [0xc1],
]

function splice(message, at, remove, insert) {
  const rest = message.subarray(at + remove)
  const result = new Uint8Array(at + insert.length + rest.length)
  result.set(message.subarray(0, at))
  result.set(insert, at)
  result.set(rest, at + insert.length)
  return result
}

const DAMAGES = [
  (random, message, at) => {
    const copy = message.slice()
    if (copy.length > 0) copy[at] ^= 1 << random.below(8)
    return copy
  },
  (random, message, at) => splice(message, at, 1, [random.below(256)]),
  (_, message, at) => message.slice(0, at),
  (random, message, at) => splice(message, at, 0, bytes(random, random.between(1, 8))),
  (random, message, at) => splice(message, at, random.between(1, 8), []),
  (random, message, at) => splice(message, at, 0, message.subarray(at, at + random.below(20))),
  (random, message, at) => splice(message, at, random.below(3), pick(random, CLAIMS)),
  (random, message, at) => splice(message, at, 1, new Array(random.between(1, 2000)).fill(0x91)),
  (random) => bytes(random, random.below(200)),
]

// A message that is most likely wrong.
export function badMessage(random) {
  let message = validMessage(random)
  for (let left = random.between(1, 3); left > 0; left--) {
    message = pick(random, DAMAGES)(random, message, random.below(message.length || 1))
  }
  return message
}

// A frame as a client has to send it: masked. `first` is the byte with FIN, RSV and opcode.
export function frame(random, payload, first = 0x82) {
  const mask = bytes(random, 4)
  const header = lengthHeader(first, payload.length, 0x80)
  const result = Buffer.concat([header, mask, payload])
  for (let at = 0, place = header.length + 4; at < payload.length; at++, place++) {
    result[place] ^= mask[at & 3]
  }
  return result
}

function lengthHeader(first, length, maskBit) {
  if (length < 126) return Buffer.of(first, maskBit | length)
  if (length < 65_536) return Buffer.of(first, maskBit | 126, length >> 8, length & 255)
  const header = Buffer.alloc(10)
  header[0] = first
  header[1] = maskBit | 127
  header.writeBigUInt64BE(BigInt(length), 2)
  return header
}

const FRAMINGS = [
  // Reserved opcodes and bits.
  (random) => frame(random, bytes(random, 5), 0x80 | pick(random, [3, 4, 5, 6, 7, 11, 13, 15])),
  (random) => frame(random, validMessage(random), 0x82 | pick(random, [0x10, 0x20, 0x40, 0x70])),
  // Control frames in pieces, and longer than they may be.
  (random) => frame(random, bytes(random, 5), pick(random, [0x08, 0x09, 0x0a])),
  (random) => frame(random, bytes(random, random.between(126, 500)), pick(random, [0x88, 0x89])),
  // A continuation of nothing; a message that begins within another.
  (random) => frame(random, validMessage(random), 0x80),
  (random) =>
    Buffer.concat([frame(random, bytes(random, 3), 0x02), frame(random, Uint8Array.of(1), 0x82)]),
  // Text, also such that is none.
  (random) => frame(random, bytes(random, 20), 0x81),
  // Closes of one byte, with codes that there are not, with text that is none.
  (random) => frame(random, bytes(random, random.between(1, 3)), 0x88),
  (random) => frame(random, Uint8Array.of(0x03, 0xe8, 0xff, 0xfe), 0x88),
  // Lengths: of what never comes, with the highest bit, longer than need be.
  (random) => Buffer.concat([Buffer.of(0x82, 0xff), bytes(random, 8), bytes(random, 20)]),
  () => Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4),
  () => Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x90),
  () => Buffer.of(0x82, 0xfe, 0, 1, 0, 0, 0, 0, 0x90),
  // Without a mask.
  (random) => {
    const message = validMessage(random)
    return Buffer.concat([lengthHeader(0x82, message.length, 0), message])
  },
  (random) => Buffer.from(bytes(random, random.between(1, 100))),
]

export function badFraming(random) {
  return pick(random, FRAMINGS)(random)
}

export const HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Protocol: millrace.v1',
  '',
  '',
].join('\r\n')

export const handshakeWith = (headers) =>
  HANDSHAKE.replace('\r\n\r\n', ['', ...headers, '', ''].join('\r\n'))

export function badHandshake(random) {
  let text = Uint8Array.from(Buffer.from(HANDSHAKE))
  for (let left = random.between(1, 4); left > 0; left--) {
    text = pick(random, DAMAGES)(random, text, random.below(text.length || 1))
  }
  return Buffer.from(text)
}
