import { describe, expect, it } from 'vitest'
import { unpackMessage } from '../../../src/wire/codec.ts'
import { encodeCredit } from '../../../src/wire/pushes.ts'
import { makeConnections } from './fakes.ts'
import { createFrame, getFrame, putAnswer, putFrame, records, turn } from './frames.ts'

describe('a client that does not read its answers', () => {
  it('gets one large answer at a time; requests wait, answers do not', async () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    for (const id of [1, 2, 3]) connection.receive(getFrame(id), true)
    expect(broker.calls).toHaveLength(1)
    socket.isReading = false
    broker.calls[0]?.settle(records)
    await turn()
    expect(socket.waiting).toBeGreaterThan(500)
    expect(broker.calls).toHaveLength(1)
    socket.drain(101)
    expect(broker.calls).toHaveLength(1)
    socket.drain(100)
    expect(broker.calls).toHaveLength(2)
    expect(connection.inFlight).toBe(2)
  })

  it('is cut off with 4408 when too many small answers wait, also within a flush', async () => {
    const { broker, connections, logger, open } = makeConnections({ requestsInFlightMax: 500 })
    const { socket, connection } = open()
    const bystander = open()
    socket.isReading = false
    const answer = new Uint8Array(100)
    for (let id = 0; id < 20; id += 1) connection.receive(putFrame(id), true)
    for (const put of broker.puts) put.answer(answer)
    await turn()
    expect(socket.isOpen).toBe(false)
    expect(socket.waiting).toBe(1100)
    expect(socket.events).toContain('terminate')
    expect(connections.closes).toEqual(new Map([[4408, 1]]))
    expect(logger.lines.at(-2)).toMatchObject({ level: 'warn', facts: { name: 'SLOW_CONSUMER' } })
    bystander.connection.receive(putFrame(1), true)
    broker.puts.at(-1)?.answer(putAnswer(1))
    await turn()
    expect(bystander.socket.take()).toHaveLength(1)
  })

  it('begins anew when it has read everything', async () => {
    const { broker, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(new Uint8Array(600))
    for (let round = 0; round < 5; round += 1) {
      socket.isReading = false
      connection.receive(putFrame(1), true)
      socket.drain()
    }
    expect(socket.isOpen).toBe(true)
  })

  it('is cut off when it has not taken anything for a minute', async () => {
    const { broker, clock, connections, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(new Uint8Array(600))
    socket.isReading = false
    connection.receive(putFrame(1), true)
    clock.now = 50_000
    socket.drain(10)
    clock.now = 109_999
    connections.inspect()
    expect(socket.isOpen).toBe(true)
    clock.now = 110_000
    connections.inspect()
    expect(socket.isOpen).toBe(false)
    expect(connections.closes).toEqual(new Map([[4408, 1]]))
  })
})

it('takes messages that are no larger than is set, and says so', () => {
  const { broker, open } = makeConnections({ frameBytesMax: 100 })
  const { socket, connection } = open()
  connection.receive(new Uint8Array(Buffer.concat([putFrame(1), new Uint8Array(100)])), true)
  const [welcome, refused] = socket.sent.map((it) => unpackMessage(it))
  expect(welcome?.[3]).toBe(100)
  expect(refused?.slice(2, 4)).toEqual([
    'RECORD_TOO_LARGE',
    expect.stringContaining('at most 100 (frameBytesMax)'),
  ])
  expect(broker.puts).toEqual([])
})

describe('a connection that sends what is no request, or is refused', () => {
  const creditFrame = encodeCredit(1, 100)

  it('is closed with 4429 beyond its rate of frames, and others go on', () => {
    const { clock, connections, open } = makeConnections({ connectionFramesPerSecond: 10 })
    const { socket, connection } = open()
    const bystander = open()
    for (let count = 0; count < 10; count += 1) connection.receive(creditFrame, true)
    expect(socket.isOpen).toBe(true)
    clock.now += 100
    connection.receive(creditFrame, true)
    expect(socket.isOpen).toBe(true)
    connection.receive(creditFrame, true)
    expect(socket.events.at(-1)).toMatch(/^close 4429 LIMIT_EXCEEDED retryAfterMs=100: /)
    bystander.connection.receive(creditFrame, true)
    expect(bystander.socket.isOpen).toBe(true)
    expect(connections.errors.get('LIMIT_EXCEEDED')).toBe(1)
  })

  it('has its refused requests count, and not those that are carried out', () => {
    const { broker, open } = makeConnections({
      connectionFramesPerSecond: 5,
      connectionRequestsPerSecond: 20,
    })
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    for (let id = 0; id < 20; id += 1) connection.receive(putFrame(id), true)
    expect(socket.take()).toHaveLength(20)
    for (let id = 0; id < 5; id += 1) connection.receive(putFrame(id), true)
    expect(socket.take()).toHaveLength(5)
    expect(socket.isOpen).toBe(true)
    connection.receive(putFrame(9), true)
    expect(socket.isOpen).toBe(false)
  })
})

it('a connection gets no more bytes a second than is set, and others go on', () => {
  const frame = putFrame(1)
  const { broker, clock, open } = makeConnections({ connectionBytesPerSecond: frame.length })
  broker.onPut = (_, answer) => answer(putAnswer(1))
  const codes = ({ socket, connection }: ReturnType<typeof open>) => {
    connection.receive(putFrame(1), true)
    return socket.take().map((it) => it[2])
  }
  const [busy, bystander] = [open(), open()]
  busy.socket.take()
  bystander.socket.take()
  expect([...codes(busy), ...codes(busy)]).toEqual([null, 'LIMIT_EXCEEDED'])
  expect(codes(bystander)).toEqual([null])
  clock.now += 2000
  expect(codes(busy)).toEqual([null])
})

describe('a connection whose time is over', () => {
  it('ends with 1012 between nine tenths of it and all, when it has its answers', () => {
    const { broker, clock, connections, open } = makeConnections({ connectionMillisMax: 10_000 })
    const [busy, quiet] = [open(), open()]
    busy.connection.receive(putFrame(1), true)
    const at = (now: number) => {
      clock.now = now
      connections.inspect()
    }
    at(8999)
    expect(quiet.socket.isOpen).toBe(true)
    at(10_000)
    expect(quiet.socket.events.at(-1)).toMatch(/^close 1012 .*connectionMillisMax/)
    expect(busy.socket.isOpen).toBe(true)
    busy.connection.receive(putFrame(2), true)
    expect(busy.socket.take()[0]?.slice(0, 3)).toEqual([0x20, 2, 'SERVER_CLOSING'])
    broker.puts[0]?.answer(putAnswer(1))
    busy.connection.flush()
    expect(busy.socket.take()).toEqual([[0x20, 1, null, 'disk']])
    expect(busy.socket.isOpen).toBe(false)
  })

  it('lasts as long as it is used where no time is set', () => {
    const { clock, connections, open } = makeConnections()
    const { socket, connection } = open()
    for (clock.now = 0; clock.now < 1e6; clock.now += 5000) {
      connection.ponged()
      connections.inspect()
    }
    expect(socket.isOpen).toBe(true)
  })
})

describe('a silent peer', () => {
  it('is pinged, and cut off with 4410 when it does not answer', () => {
    const { clock, connections, open } = makeConnections()
    const { socket } = open()
    const at = (now: number) => {
      clock.now = now
      connections.inspect()
    }
    at(5000)
    at(29_999)
    expect(socket.events).toEqual([])
    at(30_000)
    at(35_000)
    expect(socket.events).toEqual(['ping'])
    at(59_999)
    expect(socket.isOpen).toBe(true)
    at(60_000)
    expect(socket.events).toEqual(['ping', 'close 4410 SILENT'])
    expect(connections.closes).toEqual(new Map([[4410, 1]]))
  })

  it('stays when it answers or says something', () => {
    const { broker, clock, connections, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(putAnswer(1))
    for (let now = 0; now < 1_000_000; now += 5000) {
      clock.now = now
      connections.inspect()
      if (socket.events.at(-1) === 'ping' && now % 2 === 0) connection.ponged()
      if (now % 45_000 === 0) connection.receive(putFrame(1), true)
    }
    expect(socket.isOpen).toBe(true)
  })
})

describe('a drain', () => {
  it('answers what was taken, refuses what comes, and then closes with 1012', async () => {
    const { broker, connections, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(putFrame(1), true)
    const drained = connections.drain()
    connection.receive(putFrame(2), true)
    connection.receive(createFrame(3), true)
    expect(socket.take()).toEqual([
      [0x20, 2, 'SERVER_CLOSING', expect.any(String), true, 1000],
      [0x10, 3, 'SERVER_CLOSING', expect.any(String), true, 1000],
    ])
    expect(connections.refusal('127.0.0.1')).toMatch(/shutting down/)
    await turn()
    expect(socket.isOpen).toBe(true)
    broker.puts[0]?.answer(putAnswer(1))
    await turn()
    expect(socket.take()).toEqual([[0x20, 1, null, 'disk']])
    await drained
    expect(socket.events.at(-1)).toBe('close 1012 SERVER_CLOSING retryAfterMs=1000')
    expect(connections.count).toBe(0)
  })

  it('waits for answers that have not left', async () => {
    const { broker, clock, connections, open } = makeConnections()
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(new Uint8Array(600))
    socket.isReading = false
    connection.receive(putFrame(1), true)
    const drained = connections.drain()
    await turn()
    expect(socket.isOpen).toBe(true)
    socket.drain()
    await drained
    expect(socket.isOpen).toBe(false)
    expect(clock.now).toBe(0)
  })

  it('does not wait for a client that takes nothing', async () => {
    const { broker, clock, connections, open } = makeConnections({ drainMillisMax: 3_600_000 })
    const { socket, connection } = open()
    broker.onPut = (_, answer) => answer(new Uint8Array(600))
    socket.isReading = false
    connection.receive(putFrame(1), true)
    const drained = connections.drain()
    clock.now = 1999
    await turn()
    expect(socket.isOpen).toBe(true)
    clock.now = 2000
    await drained
    expect(socket.isOpen).toBe(false)
  })

  it('ends at its deadline, whatever is left', async () => {
    const { clock, connections, logger, open } = makeConnections()
    const { socket, connection } = open()
    connection.receive(putFrame(1), true)
    const drained = connections.drain()
    clock.now = 1000
    await drained
    expect(socket.isOpen).toBe(false)
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', facts: { unfinished: 1 } }),
    )
  })
})
