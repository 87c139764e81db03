import { describe, expect, test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import { describeStreamSummary, getRecords } from '../../../src/wire/operations.ts'
import { settle } from '../../support/fake-clock.ts'
import { makeBatch } from '../../support/slices.ts'
import { again, summary, useConnection } from './connection-harness.ts'

const harness = useConnection()
const sliceAmongOthers = new Uint8Array(64)
sliceAmongOthers.set([0x9b, 0xce])

describe('answers', () => {
  test('find their requests, in whatever order they come', async () => {
    harness.sockets.last.welcome()
    const outcomes = ['a', 'b', 'c'].map((it) => harness.read(it))
    harness.sockets.last.answer(2, 'c', ...summary.slice(1))
    harness.sockets.last.refuse(0, 'STREAM_NOT_FOUND')
    harness.sockets.last.answer(1, 'b', ...summary.slice(1))
    expect(await Promise.all(outcomes)).toEqual(['STREAM_NOT_FOUND', 'b', 'c'])
  })

  test('with errors bring code, text and the wait', async () => {
    harness.sockets.last.welcome()
    const call = harness.connection.call(describeStreamSummary, { streamName: 's' }, again)
    harness.sockets.last.refuse(
      0,
      new MillraceError('LIMIT_EXCEEDED', 'slowly', { retryAfterMs: 70 }),
    )
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
    ['that is a slice, and ends before those behind it', sliceAmongOthers.subarray(0, 4)],
    ['of no bytes', new Uint8Array(0)],
    ['with an error that is cut short', packMessage([0x13, 1, 'INTERNAL', 'x']).subarray(0, -1)],
  ])('an answer %s ends the client', async (_, frame) => {
    harness.sockets.last.welcome()
    const outcome = harness.read()
    harness.sockets.last.events.message(frame)
    expect(await outcome).toBe('PROTOCOL_VIOLATION')
    expect(harness.sockets.last.closedWith).toBe('4500 PROTOCOL_VIOLATION')
    await harness.clock.advance(60_000)
    expect(harness.sockets.all).toHaveLength(1)
    expect(await harness.read()).toBe('PROTOCOL_VIOLATION')
  })

  test('a text message ends the client', async () => {
    harness.sockets.last.events.textMessage()
    await expect(harness.connection.opened()).rejects.toMatchObject({ code: 'PROTOCOL_VIOLATION' })
  })

  test('messages of kinds that are not known here are passed over', async () => {
    harness.sockets.last.welcome()
    const outcome = harness.read()
    harness.sockets.last.events.message(packMessage([0x05, 1, 2]))
    harness.sockets.last.events.message(makeBatch(1n, new Uint8Array(), 0))
    harness.sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
  })
})

describe('sending', () => {
  test('begins at the welcome', async () => {
    const outcome = harness.read()
    await settle()
    expect(harness.sockets.last.frames).toEqual([])
    harness.sockets.last.welcome()
    harness.sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
    expect(harness.states).toEqual(['open'])
  })

  test('waits while as many as the broker allows are on their way', async () => {
    harness.sockets.last.welcome({ requestsInFlightMax: 2 })
    const outcomes = ['a', 'b', 'c', 'd'].map((it) => harness.read(it))
    expect(harness.namesSent()).toEqual(['a', 'b'])
    harness.sockets.last.answer(0, 'a', ...summary.slice(1))
    expect(harness.namesSent()).toEqual(['a', 'b', 'c'])
    for (const index of [1, 2, 3]) harness.sockets.last.answer(index, ...summary)
    await Promise.all(outcomes)
  })

  test('a request that was given up keeps its place until it is answered', async () => {
    harness.sockets.last.welcome({ requestsInFlightMax: 1 })
    const abort = new AbortController()
    const given = harness.read('a', abort.signal)
    const other = harness.read('b')
    abort.abort('enough')
    expect(await given).toBe('enough')
    expect(harness.namesSent()).toEqual(['a'])
    harness.sockets.last.answer(0, ...summary)
    expect(harness.namesSent()).toEqual(['a', 'b'])
    harness.sockets.last.answer(1, ...summary)
    expect(await other).toBe('s')
  })

  test('a request that was given up before it was sent is not sent', async () => {
    const abort = new AbortController()
    const given = harness.read('a', abort.signal)
    abort.abort('enough')
    expect(await given).toBe('enough')
    harness.sockets.last.welcome()
    expect(harness.sockets.last.frames).toEqual([])
  })

  test('a signal that is aborted already sends nothing', async () => {
    harness.sockets.last.welcome()
    expect(await harness.read('a', AbortSignal.abort('early'))).toBe('early')
    expect(harness.sockets.last.frames).toEqual([])
  })

  test('waits while the socket has much to send off', () => {
    harness.sockets.last.welcome()
    harness.sockets.last.bufferedBytes = 2 ** 20
    void harness.read('a')
    expect(harness.namesSent()).toEqual([])
    harness.sockets.last.bufferedBytes = 0
    harness.sockets.last.events.drained()
    expect(harness.namesSent()).toEqual(['a'])
  })

  test('refuses a frame that the broker would not take, and sends the others', async () => {
    harness.sockets.last.welcome({ frameBytesMax: 100 })
    const large = harness.connection.put(() => Uint8Array.of(0x98, 0x21, ...new Array(99)), again)
    const small = harness.read()
    await expect(large).rejects.toMatchObject({
      code: 'RECORD_TOO_LARGE',
      message: expect.stringContaining('101 bytes, the broker takes at most 100 (frameBytesMax)'),
    })
    harness.sockets.last.answer(0, ...summary)
    expect(await small).toBe('s')
  })

  test('gives up a call whose time is up', async () => {
    harness.sockets.last.welcome()
    const options = { ...again, timeoutMillis: 500 }
    const call = harness.connection.call(getRecords, { shardIterator: 'i' }, options)
    const outcome = call.then(String, String)
    await harness.clock.advance(499)
    await harness.clock.advance(1)
    expect(await outcome).toMatch(/no answer to GetRecords within 500 ms/)
  })
})
