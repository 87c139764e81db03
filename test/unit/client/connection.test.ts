import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Connection, type ConnectionEvents } from '../../../src/client/connection.ts'
import { Emitter } from '../../../src/client/emitter.ts'
import { MillraceError } from '../../../src/errors.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import { deleteStream, describeStreamSummary, getRecords } from '../../../src/wire/operations.ts'
import { FakeClock, settle } from '../../support/fake-clock.ts'
import { FakeSockets } from '../../support/fake-sockets.ts'
import { makeBatch } from '../../support/slices.ts'

const url = 'ws://broker.invalid'
const again = { repeatable: true }
const once = { repeatable: false }

let clock: FakeClock
let sockets: FakeSockets
let states: string[]
let connection: Connection

function connect(options: { readonly reconnect?: boolean } = {}): Connection {
  const events = new Emitter<ConnectionEvents>()
  events.on('state', (state) => states.push(state))
  return new Connection({
    url,
    openSocket: sockets.open,
    clock,
    events,
    reconnect: true,
    inFlightMax: 1000,
    timeoutMillis: undefined,
    ...options,
  })
}

beforeEach(() => {
  clock = new FakeClock()
  sockets = new FakeSockets()
  states = []
  connection = connect()
})

afterEach(async () => {
  connection.end(new MillraceError('CLIENT_CLOSED'))
  await settle()
  expect([...clock.timers], 'timers that are left').toEqual([])
})

const summary = ['s', 'ACTIVE', 'ON_DEMAND', 0, 24, 1_048_576, 4]

/** A request that may be repeated; its outcome as a word. */
function read(name = 's', signal?: AbortSignal): Promise<string> {
  return connection
    .call(describeStreamSummary, { streamName: name }, { ...again, signal })
    .then((it) => it.streamName, codeOf)
}

function remove(name = 's'): Promise<string> {
  return connection.call(deleteStream, { streamName: name }, once).then(() => 'done', codeOf)
}

function codeOf(error: unknown): string {
  return error instanceof MillraceError ? error.code : String(error)
}

const namesSent = (socket = sockets.last) => socket.sent.map((it) => it[2])

describe('answers', () => {
  test('find their requests, in whatever order they come', async () => {
    sockets.last.welcome()
    const outcomes = ['a', 'b', 'c'].map((it) => read(it))
    sockets.last.answer(2, 'c', ...summary.slice(1))
    sockets.last.refuse(0, 'STREAM_NOT_FOUND')
    sockets.last.answer(1, 'b', ...summary.slice(1))
    expect(await Promise.all(outcomes)).toEqual(['STREAM_NOT_FOUND', 'b', 'c'])
  })

  test('with errors bring code, text and the wait', async () => {
    sockets.last.welcome()
    const call = connection.call(describeStreamSummary, { streamName: 's' }, again)
    sockets.last.refuse(0, new MillraceError('LIMIT_EXCEEDED', 'slowly', { retryAfterMs: 70 }))
    await expect(call).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: 'slowly',
      retryAfterMs: 70,
      retryable: true,
    })
  })

  test.each([
    ['to no request', packMessage([0x13, 77, null])],
    ['to another operation', packMessage([0x11, 1, null])],
    ['that is cut short', Uint8Array.of(0x93, 0x13)],
    ['that is no array', Uint8Array.of(0x13, 0x13, 0x13)],
    ['that is a slice, cut short', Uint8Array.of(0x9b, 0xce, 0, 0)],
    ['with an error that is cut short', packMessage([0x13, 1, 'INTERNAL', 'x']).subarray(0, -1)],
  ])('an answer %s ends the client', async (_, frame) => {
    sockets.last.welcome()
    const outcome = read()
    sockets.last.events.message(frame)
    expect(await outcome).toBe('PROTOCOL_VIOLATION')
    expect(sockets.last.closedWith).toBe('4500 PROTOCOL_VIOLATION')
    await clock.advance(60_000)
    expect(sockets.all).toHaveLength(1)
    expect(await read()).toBe('PROTOCOL_VIOLATION')
  })

  test('a text message ends the client', async () => {
    sockets.last.events.textMessage()
    await expect(connection.opened()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
  })

  test('messages of kinds that are not known here are passed over', async () => {
    sockets.last.welcome()
    const outcome = read()
    sockets.last.events.message(packMessage([0x05, 1, 2]))
    sockets.last.events.message(makeBatch(1n, new Uint8Array(), 0))
    sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
  })
})

describe('sending', () => {
  test('begins at the welcome', async () => {
    const outcome = read()
    await settle()
    expect(sockets.last.frames).toEqual([])
    sockets.last.welcome()
    sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
    expect(states).toEqual(['open'])
  })

  test('waits while as many as the broker allows are on their way', async () => {
    sockets.last.welcome({ requestsInFlightMax: 2 })
    const outcomes = ['a', 'b', 'c', 'd'].map((it) => read(it))
    expect(namesSent()).toEqual(['a', 'b'])
    sockets.last.answer(0, 'a', ...summary.slice(1))
    expect(namesSent()).toEqual(['a', 'b', 'c'])
    for (const index of [1, 2, 3]) sockets.last.answer(index, ...summary)
    await Promise.all(outcomes)
  })

  test('a request that was given up keeps its place until it is answered', async () => {
    sockets.last.welcome({ requestsInFlightMax: 1 })
    const abort = new AbortController()
    const given = read('a', abort.signal)
    const other = read('b')
    abort.abort('enough')
    expect(await given).toBe('enough')
    expect(namesSent()).toEqual(['a'])
    sockets.last.answer(0, ...summary)
    expect(namesSent()).toEqual(['a', 'b'])
    sockets.last.answer(1, ...summary)
    expect(await other).toBe('s')
  })

  test('a request that was given up before it was sent is not sent', async () => {
    const abort = new AbortController()
    const given = read('a', abort.signal)
    abort.abort('enough')
    expect(await given).toBe('enough')
    sockets.last.welcome()
    expect(sockets.last.frames).toEqual([])
  })

  test('a signal that is aborted already sends nothing', async () => {
    sockets.last.welcome()
    expect(await read('a', AbortSignal.abort('early'))).toBe('early')
    expect(sockets.last.frames).toEqual([])
  })

  test('waits while the socket has much to send off', () => {
    sockets.last.welcome()
    sockets.last.bufferedBytes = 2 ** 20
    void read('a')
    expect(namesSent()).toEqual([])
    sockets.last.bufferedBytes = 0
    sockets.last.events.drained()
    expect(namesSent()).toEqual(['a'])
  })

  test('refuses a frame that the broker would not take, and sends the others', async () => {
    sockets.last.welcome({ frameBytesMax: 100 })
    const large = connection.put(() => Uint8Array.of(0x98, 0x21, ...new Array(99)), again)
    const small = read()
    await expect(large).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      message: expect.stringContaining('101 bytes, the broker takes at most 100 (frameBytesMax)'),
    })
    sockets.last.answer(0, ...summary)
    expect(await small).toBe('s')
  })

  test('gives up a call whose time is up', async () => {
    sockets.last.welcome()
    const options = { ...again, timeoutMillis: 500 }
    const call = connection.call(getRecords, { shardIterator: 'i' }, options)
    const outcome = call.then(String, String)
    await clock.advance(499)
    await clock.advance(1)
    expect(await outcome).toMatch(/no answer to GetRecords within 500 ms/)
  })
})

describe('a lost connection', () => {
  test('is followed by another, which gets what may be repeated, in order', async () => {
    sockets.last.welcome()
    const outcomes = [read('a'), remove('b'), read('c')]
    sockets.last.lose()
    const waiting = [remove('d'), read('e')]
    expect(await outcomes[1]).toBe('CONNECTION_LOST')
    await clock.advance(0)
    expect(sockets.all).toHaveLength(2)
    sockets.last.welcome()
    expect(namesSent()).toEqual(['a', 'c', 'd', 'e'])
    for (const index of [0, 1, 3]) sockets.last.answer(index, ...summary)
    sockets.last.answer(2)
    expect(await Promise.all([outcomes[0], outcomes[2], ...waiting])).toEqual([
      's',
      's',
      'done',
      's',
    ])
    expect(states).toEqual(['open', 'reconnecting', 'open'])
  })

  test('is tried again for ever, later and later, and sooner after it was good', async () => {
    clock.luck = 0.999
    const waits = async () => {
      const count = sockets.all.length
      const start = clock.millis
      while (sockets.all.length === count) await clock.advance(1)
      return clock.millis - start
    }
    const seen = []
    for (let i = 0; i < 9; i += 1) {
      sockets.last.lose(1006, 'connect ECONNREFUSED')
      seen.push(await waits())
    }
    expect(seen).toEqual([50, 100, 200, 400, 800, 1599, 3197, 4995, 4995])
    sockets.last.welcome()
    sockets.last.lose()
    expect(await waits(), 'a welcome alone proves nothing').toBe(4995)
    sockets.last.welcome()
    await clock.advance(5000)
    sockets.last.lose()
    expect(await waits(), 'it lived for five seconds').toBe(50)
    sockets.last.welcome()
    const outcome = read()
    sockets.last.answer(0, ...summary)
    await outcome
    sockets.last.lose()
    expect(await waits(), 'it answered').toBe(50)
  })

  test('is not tried again before the broker wants it', async () => {
    sockets.last.lose(1012, 'SERVER_CLOSING retryAfterMs=250')
    await clock.advance(249)
    expect(sockets.all).toHaveLength(1)
    await clock.advance(1)
    expect(sockets.all).toHaveLength(2)
  })

  test.each([
    [4500, 'PROTOCOL_VIOLATION'],
    [4501, 'UNSUPPORTED_VERSION'],
    [4503, 'ACCESS_DENIED'],
  ])('is the end after a close with %i', async (code, errorCode) => {
    sockets.last.welcome()
    const outcomes = [read(), remove()]
    sockets.last.lose(code, 'why')
    expect(await Promise.all(outcomes)).toEqual([errorCode, errorCode])
    expect(await read()).toBe(errorCode)
    await clock.advance(600_000)
    expect(sockets.all).toHaveLength(1)
    expect(states).toEqual(['open', 'closed'])
  })

  test('is the end where no other one is wanted', async () => {
    connection.end(new MillraceError('CLIENT_CLOSED'))
    connection = connect({ reconnect: false })
    sockets.last.lose(1006, 'connect ECONNREFUSED')
    await expect(connection.opened()).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: `the connection to ${url} could not be made: 1006 connect ECONNREFUSED`,
    })
  })

  test('three in a row fail the request that met them, which was alone at last', async () => {
    sockets.last.welcome()
    const culprit = read('culprit')
    const bystander = read('bystander')
    for (const expected of [['culprit', 'bystander'], ['culprit', 'bystander'], ['culprit']]) {
      expect(namesSent()).toEqual(expected)
      sockets.last.lose()
      await clock.advance(5000)
      sockets.last.welcome()
    }
    expect(await culprit).toBe('CONNECTION_LOST')
    expect(namesSent()).toEqual(['bystander'])
    sockets.last.answer(0, ...summary)
    expect(await bystander).toBe('s')
  })

  test('with a goodbye counts for nothing', async () => {
    sockets.last.welcome()
    const outcome = read()
    for (let i = 0; i < 10; i += 1) {
      sockets.last.lose(1012, 'SERVER_CLOSING')
      await clock.advance(10_000)
      sockets.last.welcome()
    }
    sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
  })

  test('does not hear what an older socket still says', async () => {
    sockets.last.welcome()
    const older = sockets.last
    older.lose()
    await clock.advance(0)
    sockets.last.welcome()
    older.lose()
    expect(connection.state).toBe('open')
  })
})

test('a broker that says no welcome is left after ten seconds', async () => {
  await clock.advance(9999)
  expect(sockets.last.isTerminated).toBe(false)
  await clock.advance(1)
  expect(sockets.all[0]?.isTerminated).toBe(true)
  expect(sockets.all).toHaveLength(2)
})

describe('a broker that shuts down', () => {
  test('gets nothing more; what it refused goes to the next one, whatever it is', async () => {
    sockets.last.welcome()
    const outcomes = [remove('a'), read('b')]
    sockets.last.refuse(0, 'SERVER_CLOSING')
    const later = read('c')
    sockets.last.answer(1, ...summary)
    expect(namesSent()).toEqual(['a', 'b'])
    sockets.last.lose(1012, 'SERVER_CLOSING')
    await clock.advance(0)
    sockets.last.welcome()
    expect(namesSent()).toEqual(['a', 'c'])
    sockets.last.answer(0)
    sockets.last.answer(1, ...summary)
    expect(await Promise.all([...outcomes, later])).toEqual(['done', 's', 's'])
  })

  test('is left when it does not close', async () => {
    sockets.last.welcome()
    const outcome = remove('a')
    sockets.last.refuse(0, 'SERVER_CLOSING')
    await clock.advance(10_000)
    expect(sockets.all[0]?.isTerminated).toBe(true)
    sockets.last.welcome()
    sockets.last.answer(0)
    expect(await outcome).toBe('done')
  })
})

describe('the end', () => {
  test('rejects what waits and what comes, and says goodbye', async () => {
    sockets.last.welcome({ requestsInFlightMax: 1 })
    const outcomes = [read(), remove()]
    connection.end(new MillraceError('CLIENT_CLOSED'))
    // Whoever waits for it is told, not the last one alone.
    await Promise.all([connection.ended(), connection.ended()])
    expect(await Promise.all([...outcomes, read()])).toEqual([
      'CLIENT_CLOSED',
      'CLIENT_CLOSED',
      'CLIENT_CLOSED',
    ])
    expect(sockets.last.closedWith).toBe('1000')
    expect(states).toEqual(['open', 'closed'])
  })

  test('comes at once where there is no connection', async () => {
    sockets.last.lose()
    connection.end(new MillraceError('CLIENT_CLOSED'))
    await connection.ended()
    await expect(connection.opened()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})

test('only what somebody waits for keeps the process alive', async () => {
  const held = () => [...clock.timers].some((it) => it.held)
  sockets.last.welcome()
  sockets.last.lose()
  expect(held()).toBe(false)
  const abort = new AbortController()
  const outcome = read('s', abort.signal)
  expect(held()).toBe(true)
  abort.abort('enough')
  await outcome
  await clock.advance(0)
  sockets.last.lose()
  expect(held()).toBe(false)
})
