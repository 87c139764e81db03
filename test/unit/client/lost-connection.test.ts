import { describe, expect, test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import { repeatMillisMax } from '../../../src/limits.ts'
import { encodePutRecords } from '../../../src/wire/put-builder.ts'
import { again, summary, url, useConnection } from './connection-harness.ts'

const harness = useConnection()

describe('a lost connection', () => {
  test('is followed by another, which gets what may be repeated, in order', async () => {
    harness.sockets.last.welcome()
    const outcomes = [harness.read('a'), harness.remove('b'), harness.read('c')]
    harness.sockets.last.lose()
    const waiting = [harness.remove('d'), harness.read('e')]
    expect(await outcomes[1]).toBe('CONNECTION_LOST')
    await harness.clock.advance(0)
    expect(harness.sockets.all).toHaveLength(2)
    harness.sockets.last.welcome()
    expect(harness.namesSent()).toEqual(['a', 'c', 'd', 'e'])
    for (const index of [0, 1, 3]) harness.sockets.last.answer(index, ...summary)
    harness.sockets.last.answer(2)
    expect(await Promise.all([outcomes[0], outcomes[2], ...waiting])).toEqual([
      's',
      's',
      'done',
      's',
    ])
    expect(harness.states).toEqual(['open', 'reconnecting', 'open'])
  })

  test('is tried again for ever, later and later, and sooner after it was good', async () => {
    harness.clock.luck = 0.999
    const waits = async () => {
      const count = harness.sockets.all.length
      const start = harness.clock.millis
      while (harness.sockets.all.length === count) await harness.clock.advance(1)
      return harness.clock.millis - start
    }
    const seen = []
    for (let i = 0; i < 9; i += 1) {
      harness.sockets.last.lose(1006, 'connect ECONNREFUSED')
      seen.push(await waits())
    }
    expect(seen).toEqual([50, 100, 200, 400, 800, 1599, 3197, 4995, 4995])
    harness.sockets.last.welcome()
    harness.sockets.last.lose()
    expect(await waits(), 'a welcome alone proves nothing').toBe(4995)
    harness.sockets.last.welcome()
    await harness.clock.advance(5000)
    harness.sockets.last.lose()
    expect(await waits(), 'it lived for five seconds').toBe(50)
    harness.sockets.last.welcome()
    const outcome = harness.read()
    harness.sockets.last.answer(0, ...summary)
    await outcome
    harness.sockets.last.lose()
    expect(await waits(), 'it answered').toBe(50)
  })

  test('lets a put be repeated for 55 minutes, and no longer', async () => {
    const put = (text: string) => {
      const frame = (id: number) =>
        encodePutRecords(id, { streamName: 's' }, [{ key: 'k', data: Buffer.from(text) }])
      const options = { ...again, timeoutMillis: Number.POSITIVE_INFINITY }
      return harness.connection.put(frame, options).then(
        () => 'done',
        (error: MillraceError) => error.code,
      )
    }
    harness.sockets.last.welcome()
    const outcomes = [put('a')]
    harness.sockets.last.lose(1006)
    await harness.clock.advance(repeatMillisMax)
    harness.sockets.last.welcome()
    expect(harness.sockets.last.sent).toHaveLength(1)
    harness.sockets.last.lose(1012)
    outcomes.push(put('b'))
    await harness.clock.advance(6000)
    harness.sockets.last.welcome()
    expect(await outcomes[0]).toBe('CONNECTION_LOST')
    // What was never sent is not a repeat, however long it has waited.
    expect(harness.sockets.last.sent).toHaveLength(1)
    harness.connection.end(new MillraceError('CLIENT_CLOSED'))
    expect(await outcomes[1]).toBe('CLIENT_CLOSED')
  })

  test('is not tried again before the broker wants it', async () => {
    harness.sockets.last.lose(1012, 'SERVER_CLOSING retryAfterMs=250')
    await harness.clock.advance(249)
    expect(harness.sockets.all).toHaveLength(1)
    await harness.clock.advance(1)
    expect(harness.sockets.all).toHaveLength(2)
  })

  test.each([
    [4500, 'PROTOCOL_VIOLATION'],
    [4501, 'UNSUPPORTED_VERSION'],
    [4503, 'ACCESS_DENIED'],
  ])('is the end after a close with %i', async (code, errorCode) => {
    harness.sockets.last.welcome()
    const outcomes = [harness.read(), harness.remove()]
    harness.sockets.last.lose(code, 'why')
    expect(await Promise.all(outcomes)).toEqual([errorCode, errorCode])
    expect(await harness.read()).toBe(errorCode)
    await harness.clock.advance(600_000)
    expect(harness.sockets.all).toHaveLength(1)
    expect(harness.states).toEqual(['open', 'closed'])
  })

  test('is the end where no other one is wanted', async () => {
    harness.connection.end(new MillraceError('CLIENT_CLOSED'))
    harness.connection = harness.connect({ reconnect: false })
    harness.sockets.last.lose(1006, 'connect ECONNREFUSED')
    await expect(harness.connection.opened()).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: `the connection to ${url} could not be made: connect ECONNREFUSED`,
    })
  })

  test('three in a row fail the request that met them, which was alone at last', async () => {
    harness.sockets.last.welcome()
    const culprit = harness.read('culprit')
    const bystander = harness.read('bystander')
    for (const expected of [['culprit', 'bystander'], ['culprit', 'bystander'], ['culprit']]) {
      expect(harness.namesSent()).toEqual(expected)
      harness.sockets.last.lose()
      await harness.clock.advance(5000)
      harness.sockets.last.welcome()
    }
    expect(await culprit).toBe('CONNECTION_LOST')
    expect(harness.namesSent()).toEqual(['bystander'])
    harness.sockets.last.answer(0, ...summary)
    expect(await bystander).toBe('s')
  })

  test('with a goodbye counts for nothing', async () => {
    harness.sockets.last.welcome()
    const outcome = harness.read()
    for (let i = 0; i < 10; i += 1) {
      harness.sockets.last.lose(1012, 'SERVER_CLOSING')
      await harness.clock.advance(10_000)
      harness.sockets.last.welcome()
    }
    harness.sockets.last.answer(0, ...summary)
    expect(await outcome).toBe('s')
  })

  test('does not hear what an older socket still says', async () => {
    harness.sockets.last.welcome()
    const older = harness.sockets.last
    older.lose()
    await harness.clock.advance(0)
    harness.sockets.last.welcome()
    older.lose()
    expect(harness.connection.state).toBe('open')
  })
})

test('a broker that says no welcome is left after ten seconds', async () => {
  await harness.clock.advance(9999)
  expect(harness.sockets.last.isTerminated).toBe(false)
  await harness.clock.advance(1)
  expect(harness.sockets.all[0]?.isTerminated).toBe(true)
  expect(harness.sockets.all).toHaveLength(2)
})

describe('a broker that shuts down', () => {
  test('gets nothing more; what it refused goes to the next one, whatever it is', async () => {
    harness.sockets.last.welcome()
    const outcomes = [harness.remove('a'), harness.read('b')]
    harness.sockets.last.refuse(0, 'SERVER_CLOSING')
    const later = harness.read('c')
    harness.sockets.last.answer(1, ...summary)
    expect(harness.namesSent()).toEqual(['a', 'b'])
    harness.sockets.last.lose(1012, 'SERVER_CLOSING')
    await harness.clock.advance(0)
    harness.sockets.last.welcome()
    expect(harness.namesSent()).toEqual(['a', 'c'])
    harness.sockets.last.answer(0)
    harness.sockets.last.answer(1, ...summary)
    expect(await Promise.all([...outcomes, later])).toEqual(['done', 's', 's'])
  })

  test('is left when it does not close', async () => {
    harness.sockets.last.welcome()
    const outcome = harness.remove('a')
    harness.sockets.last.refuse(0, 'SERVER_CLOSING')
    await harness.clock.advance(10_000)
    expect(harness.sockets.all[0]?.isTerminated).toBe(true)
    harness.sockets.last.welcome()
    harness.sockets.last.answer(0)
    expect(await outcome).toBe('done')
  })
})

describe('the end', () => {
  test('rejects what waits and what comes, and says goodbye', async () => {
    harness.sockets.last.welcome({ requestsInFlightMax: 1 })
    const outcomes = [harness.read(), harness.remove()]
    harness.connection.end(new MillraceError('CLIENT_CLOSED'))
    // Whoever waits for it is told, not the last one alone.
    await Promise.all([harness.connection.ended(), harness.connection.ended()])
    expect(await Promise.all([...outcomes, harness.read()])).toEqual([
      'CLIENT_CLOSED',
      'CLIENT_CLOSED',
      'CLIENT_CLOSED',
    ])
    expect(harness.sockets.last.closedWith).toBe('1000')
    expect(harness.states).toEqual(['open', 'closed'])
  })

  test('comes at once where there is no connection', async () => {
    harness.sockets.last.lose()
    harness.connection.end(new MillraceError('CLIENT_CLOSED'))
    await harness.connection.ended()
    await expect(harness.connection.opened()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})

test('only what somebody waits for keeps the process alive', async () => {
  const held = () => [...harness.clock.timers].some((it) => it.held)
  harness.sockets.last.welcome()
  harness.sockets.last.lose()
  expect(held()).toBe(false)
  const abort = new AbortController()
  const outcome = harness.read('s', abort.signal)
  expect(held()).toBe(true)
  abort.abort('enough')
  await outcome
  await harness.clock.advance(0)
  harness.sockets.last.lose()
  expect(held()).toBe(false)
})
