import { describe, expect, it } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { connectionCreditBytesMax, frameBytesMax, subscriptionsMax } from '../../../src/limits.ts'
import { packMessage, unpackMessage } from '../../../src/wire/codec.ts'
import { encodeError, encodeRequest } from '../../../src/wire/frame.ts'
import { getShardIterator } from '../../../src/wire/operations.ts'
import { makeConnections } from './fakes.ts'
import { createFrame, getFrame, putAnswer, putFrame, records, turn } from './frames.ts'

describe('a connection', () => {
  it('begins with a welcome that says what the broker takes', () => {
    const { open } = makeConnections()
    expect(unpackMessage(open().socket.sent[0] as Uint8Array)).toEqual([
      0x01,
      1,
      '1.2.3',
      frameBytesMax,
      3,
      true,
      null,
      subscriptionsMax,
      connectionCreditBytesMax,
    ])
  })

  it('hands a put over within the call and answers when the broker does', async () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    const lent = putFrame(5, new Uint8Array(1000).fill(9))
    const copy = lent.slice()
    connection.receive(lent, true)
    // The memory of a frame is taken away when the call returns.
    lent.fill(0)
    expect(broker.puts[0]?.bytes).toEqual(copy)
    expect(connection.inFlight).toBe(1)
    expect(socket.take()).toEqual([])
    broker.puts[0]?.answer(putAnswer(5))
    await turn()
    expect(socket.take()).toEqual([[0x20, 5, null, 'disk']])
    expect(connection.inFlight).toBe(0)
    expect(connection.isQuiet()).toBe(true)
  })

  it('sends at once what is answered within the call', () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1, 'os'))
    connection.receive(putFrame(1), true)
    expect(socket.take()).toEqual([[0x20, 1, null, 'os']])
  })

  it('answers everything that one sync acknowledges in one go, each socket its own', async () => {
    const { broker, open } = makeConnections()
    const [left, right] = [open(), open()]
    for (const id of [1, 2, 3]) left.connection.receive(putFrame(id), true)
    right.connection.receive(putFrame(9), true)
    for (const [at, id] of [1, 2, 3, 9].entries()) {
      await Promise.resolve()
      broker.puts[at]?.answer(putAnswer(id))
    }
    expect(left.socket.take()).toEqual([])
    await turn()
    expect(left.socket.take().map(([, id]) => id)).toEqual([1, 2, 3])
    expect(left.socket.events).toEqual(['cork', 'uncork'])
    expect(right.socket.take().map(([, id]) => id)).toEqual([9])
    expect(right.socket.events).toEqual([])
  })

  it('carries out a control request with copies of its fields', async () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    const frame = createFrame(2)
    connection.receive(frame, true)
    frame.fill(0)
    expect(broker.calls[0]).toMatchObject({
      name: 'CreateStream',
      request: { streamName: 'orders' },
    })
    broker.calls[0]?.settle({})
    await turn()
    expect(socket.take()).toEqual([[0x10, 2, null]])
  })

  it('answers an error of the broker, and stays open', async () => {
    const { broker, connections, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(createFrame(2), true)
    broker.calls[0]?.settle(new MillraceError('STREAM_EXISTS', 'Stream orders exists.'))
    await turn()
    expect(socket.take()).toEqual([
      [0x10, 2, 'STREAM_EXISTS', 'Stream orders exists.', false, null],
    ])
    expect(socket.isOpen).toBe(true)
    expect(connections.errors).toEqual(new Map([['STREAM_EXISTS', 1]]))
  })

  it.each([
    ['another type', [0x10, 7, 5], 'PROTOCOL_VIOLATION', 'streamName: wanted str, got number'],
    ['a bound', [0x10, 7, '..x/y'], 'INVALID_ARGUMENT', 'streamName is "..x/y"'],
    ['a missing field', [0x10, 7], 'PROTOCOL_VIOLATION', 'streamName: wanted str, got nil'],
    ['a field too many', [0x13, 7, 'a', 1], 'PROTOCOL_VIOLATION', 'has 2 fields, wanted at most 1'],
  ])('answers a request with %s, and stays open', async (_, values, code, text) => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(packMessage(values), true)
    await turn()
    const answer = socket.take()[0]
    expect(answer?.slice(1, 3)).toEqual([7, code])
    expect(answer?.[3]).toContain(text)
    expect(socket.isOpen).toBe(true)
    expect(broker.calls).toEqual([])
  })
})

describe('a frame that is no request', () => {
  it.each([
    ['a text frame', createFrame(1), false, 'a text frame'],
    ['an empty frame', new Uint8Array(0), true, 'wanted an array'],
    ['a number', Uint8Array.of(5), true, 'wanted an array'],
    ['an unknown opcode', packMessage([0x7f, 1]), true, 'opcode 127 is unknown'],
    ['an opcode of the broker', packMessage([0x01, 1]), true, 'opcode 1 is unknown'],
    ['a request id that is none', packMessage([0x10, -1, 'a']), true, 'request id'],
    ['half a message', createFrame(1).subarray(0, 5), true, '7 elements do not fit'],
    ['bytes behind it', Uint8Array.of(...createFrame(1), 0), true, 'bytes follow'],
    ['an array of four billion', Uint8Array.of(0xdd, 255, 255, 255, 255), true, 'wanted an array'],
    ['a map', Uint8Array.of(0x92, 0x10, 0x81, 1, 2), true, 'has no place here'],
    [
      'a put with a long array header',
      Uint8Array.of(0xdc, 0, 8, ...putFrame(1).subarray(1)),
      true,
      'opcode 32 is unknown',
    ],
  ])('closes the connection with 4500: %s', (_, frame, isBinary, text) => {
    const { broker, connections, logger, open } = makeConnections()
    const { socket, connection } = open()
    const bystander = open()
    connection.receive(frame, isBinary)
    expect(socket.isOpen).toBe(false)
    expect(socket.events).toHaveLength(1)
    expect(socket.events[0]).toMatch(/^close 4500 PROTOCOL_VIOLATION: /)
    expect(socket.events[0]).toContain(text)
    expect(connections.closes).toEqual(new Map([[4500, 1]]))
    expect(connections.count).toBe(1)
    expect(bystander.socket.isOpen).toBe(true)
    expect(broker.puts).toEqual([])
    expect(logger.lines.filter((it) => it.level === 'warn')).toHaveLength(1)
  })

  it('closes it when the broker cannot read the head of a put', () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = () => {
      throw new MillraceError('PROTOCOL_VIOLATION', 'byte 2: wanted a request id')
    }
    connection.receive(putFrame(1), true)
    expect(socket.events).toEqual(['close 4500 PROTOCOL_VIOLATION: byte 2: wanted a request id'])
  })

  it('has a reason of at most 123 bytes', () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = () => {
      throw new MillraceError('PROTOCOL_VIOLATION', 'ü'.repeat(500))
    }
    connection.receive(putFrame(1), true)
    const reason = socket.events[0]?.slice('close 4500 '.length) ?? ''
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123)
    expect(reason).toMatch(/^PROTOCOL_VIOLATION: ü{51}$/)
  })
})

describe('a bug', () => {
  it('in a control request answers INTERNAL, and the log has its stack', async () => {
    const { broker, logger, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(createFrame(3), true)
    broker.calls[0]?.settle(new TypeError('undefined is not a function'))
    await turn()
    expect(socket.take()).toEqual([[0x10, 3, 'INTERNAL', 'an internal error', true, null]])
    expect(socket.isOpen).toBe(true)
    const line = logger.lines.find((it) => it.level === 'error')
    expect(line?.facts).toMatchObject({
      error: 'undefined is not a function',
      stack: expect.arrayContaining([expect.stringMatching(/connection\.test\.ts/)]),
    })
  })

  it('in a put answers INTERNAL, and the connection goes on', async () => {
    const { broker, logger, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = () => {
      throw new RangeError('boom')
    }
    connection.receive(putFrame(4), true)
    await turn()
    expect(socket.take()).toEqual([[0x20, 4, 'INTERNAL', 'an internal error', true, null]])
    expect(connection.inFlight).toBe(0)
    expect(logger.lines.filter((it) => it.level === 'error')).toHaveLength(1)
    broker.onPut = (_, answer) => answer(putAnswer(5))
    connection.receive(putFrame(5), true)
    expect(socket.take()).toEqual([[0x20, 5, null, 'disk']])
  })

  it('in an answer that cannot be encoded answers INTERNAL', async () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(
      encodeRequest(getShardIterator, 6, {
        streamName: 'orders',
        shardId: '0',
        shardIteratorType: 'LATEST',
      }),
      true,
    )
    broker.calls[0]?.settle(undefined)
    await turn()
    expect(socket.take().map((it) => it.slice(0, 3))).toEqual([[0x22, 6, 'INTERNAL']])
  })
})

describe('limits', () => {
  it('refuse a request too many in flight, and take the next after an answer', async () => {
    const { broker, open } = makeConnections({ requestsInFlightMax: 2 })
    const { socket, connection } = open()
    for (const id of [1, 2]) connection.receive(putFrame(id), true)
    connection.receive(putFrame(3), true)
    connection.receive(createFrame(4), true)
    expect(socket.take()).toEqual([
      [0x20, 3, 'LIMIT_EXCEEDED', expect.stringContaining('at most 2'), true, 50],
      [0x10, 4, 'LIMIT_EXCEEDED', expect.stringContaining('requestsInFlightMax'), true, 50],
    ])
    broker.puts[0]?.answer(putAnswer(1))
    connection.receive(putFrame(5), true)
    expect(broker.puts).toHaveLength(3)
  })

  it('take a frame of frameBytesMax and answer one that is a byte longer', () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    const frame = new Uint8Array(frameBytesMax + 1)
    frame.set(putFrame(8))
    connection.receive(frame.subarray(0, frameBytesMax), true)
    expect(broker.puts).toHaveLength(1)
    connection.receive(frame, true)
    expect(broker.puts).toHaveLength(1)
    expect(socket.take()).toEqual([
      [
        0x20,
        8,
        'RECORD_TOO_LARGE',
        expect.stringMatching(`${frameBytesMax + 1} bytes, at most ${frameBytesMax} `),
        false,
        null,
      ],
    ])
    expect(socket.isOpen).toBe(true)
  })

  it('close on a frame that is too long and has no readable head', () => {
    const { open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(new Uint8Array(frameBytesMax + 1), true)
    expect(socket.events[0]).toMatch(/^close 4500 PROTOCOL_VIOLATION: .*at most/)
  })

  it('of connections, in all and of an address, exempt loopback from the latter', () => {
    const { connections, open } = makeConnections({
      connectionsMax: 4,
      connectionsPerAddressMax: 2,
    })
    const sockets = [open('10.0.0.1'), open('10.0.0.1'), open('127.0.0.1')]
    expect(connections.refusal('10.0.0.1')).toMatch(/2 .*connectionsPerAddressMax/)
    expect(connections.refusal('10.0.0.2')).toBeUndefined()
    open('127.0.0.1')
    expect(connections.refusal('127.0.0.1')).toMatch(/connectionsMax/)
    sockets[0]?.socket.terminate()
    expect(connections.refusal('10.0.0.1')).toBeUndefined()
  })
})

it('drops answers for a connection that is gone', async () => {
  const { broker, open } = makeConnections()
  const { socket, connection } = open()
  connection.receive(putFrame(1), true)
  connection.receive(createFrame(2), true)
  connection.receive(getFrame(3), true)
  socket.terminate()
  broker.puts[0]?.answer(encodeError(0x20, 1, new MillraceError('DISK_FULL')))
  for (const call of broker.calls) call.settle(records)
  await turn()
  expect(socket.take()).toEqual([])
  expect(connection.inFlight).toBe(0)
})
