// Who may do what, as the protocol says it (PROTOCOL.md, R59) and not as the broker has it: every
// operation with the permissions that it takes, and a request of it that does no harm.

// The permissions of each kind of principal: what they allow, on which streams.
export const KINDS = {
  nobody: [],
  writer: [[['put'], ['orders']]],
  reader: [[['get'], ['orders']]],
  follower: [[['subscribe'], ['metrics-*']]],
  keeper: [[['admin'], ['metrics-*', 'orders']]],
  master: [[['admin'], ['*']]],
  worker: [
    [['put', 'get'], ['*']],
    [['subscribe'], ['orders']],
  ],
  stranger: [
    [
      ['put', 'get', 'subscribe', 'admin'],
      ['orders-*', 'order', 'rders', 'metrics'],
    ],
  ],
}

// The last one does not exist; the second shares its beginning with the first.
export const STREAMS = ['orders', 'orders-2', 'metrics-cpu', 'metrics', 'nowhere']
export const EXISTING = STREAMS.slice(0, -1)

const record = [['k', Buffer.from('v')]]
const any = ['put', 'get', 'subscribe', 'admin']
const consumer = 'someone'

// [opcode, permissions of which one is enough, the fields of a request]. `found` has what the owner
// of everything was given for a stream: an iterator, and tokens of listings.
export const OPERATIONS = [
  [0x10, ['admin'], (stream) => [stream, 1]],
  // Streams with consumers are not deleted.
  [0x11, ['admin'], (stream) => [stream]],
  [0x12, any, (stream) => [stream]],
  [0x13, any, (stream) => [stream]],
  [0x15, any, (stream) => [stream]],
  [0x15, any, (_, found) => found && [null, found.shardsToken]],
  [0x16, ['admin'], (stream) => [stream, [['a', 'b']]]],
  [0x17, ['admin'], (stream) => [stream, ['a']]],
  [0x18, any, (stream) => [stream]],
  [0x1a, ['admin'], (stream) => [stream, '0', null, true]],
  [0x1b, ['admin'], (stream) => [stream, '0', '1', true]],
  [0x1c, ['admin'], (stream) => [stream, 2, true]],
  [0x1d, ['admin'], (stream) => [stream, 24]],
  [0x1e, ['admin'], (stream) => [stream, 24]],
  [0x1f, ['admin'], (stream) => [stream, 1_048_576]],
  [0x20, ['put'], (stream) => [stream, null, record, null, 0, 0]],
  [0x21, ['put'], (stream) => [stream, null, record, null, 0, 0]],
  [0x22, ['get'], (stream) => [stream, '0', 'LATEST']],
  [0x23, ['get'], (_, found) => found && [found.iterator]],
  [0x24, ['put'], (stream) => [stream, null, 0, 1, 1, 0, 0, Buffer.from('v')]],
  [0x25, ['admin'], (stream) => [stream, 'ON_DEMAND']],
  [0x27, ['admin'], (stream) => [stream, null]],
  [0x28, ['subscribe'], (stream) => [stream, '0', null, 'LATEST', null, null, 1024]],
  [0x29, ['subscribe'], (stream) => [stream, null, 'LATEST', null, 1024, []]],
  [0x2b, ['admin'], (stream) => [stream, ['IncomingBytes']]],
  [0x2c, ['admin'], (stream) => [stream, ['IncomingBytes']]],
  [0x2d, any, (stream) => [stream]],
  [0x2e, ['admin'], (stream) => [stream, 'KMS', 'none']],
  [0x2f, ['admin'], (stream) => [stream, 'KMS', 'none']],
  [0x30, ['subscribe', 'admin'], (stream) => [stream, consumer]],
  [0x31, ['subscribe', 'admin'], (stream) => [stream, consumer]],
  [0x32, ['subscribe', 'admin'], (stream) => [stream]],
  [0x32, ['subscribe', 'admin'], (_, found) => found && [null, found.consumersToken]],
  [0x33, ['admin'], (stream) => [stream, 'none']],
  [0x34, ['subscribe', 'admin'], (stream) => [stream, consumer]],
  [0x35, ['subscribe'], (stream) => [stream, 'none', '0', 1]],
  [0x36, ['subscribe'], (stream) => [stream, 'none', 'w', 1000]],
  [0x37, ['subscribe'], (stream) => [stream, 'none', 'w', []]],
  [0x38, ['subscribe'], (stream) => [stream, 'none', 'w', '0', 1]],
  [0x39, ['subscribe', 'admin'], (stream) => [stream, consumer]],
]

// Those that are about no stream: they take any permission at all.
export const UNBOUND = [
  [0x14, () => []],
  [0x26, () => []],
  [0x2a, () => [1]],
]
export const LIST_STREAMS = 0x14
export const AUTHENTICATE = 0x3f

const covers = (pattern, name) =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name

export function isAllowed(permissions, wanted, stream) {
  return permissions.some(
    ([actions, streams]) =>
      actions.some((it) => wanted.includes(it)) && streams.some((it) => covers(it, stream)),
  )
}

export const hasAny = (permissions) => permissions.length > 0
