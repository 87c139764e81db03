/** A broker that refuses tokens, and functions that have none. */

import { describe, expect, test } from 'vitest'
import type { ConnectionOptions } from '../../../src/client/connection.ts'
import type { TokenSource } from '../../../src/client/token-source.ts'
import { MillraceError } from '../../../src/errors.ts'
import { settle } from '../../support/fake-clock.ts'
import { useConnection } from './connection-harness.ts'

const harness = useConnection()
/** As node-socket.ts tells of HTTP 401. */
const refused = [4504, 'HTTP 401'] as const

/** Connects anew with `token`, and waits for the first socket. */
async function start(token: TokenSource, options: Partial<ConnectionOptions> = {}) {
  harness.connection.end(new MillraceError('CLIENT_CLOSED'))
  harness.sockets.all.length = 0
  harness.states.length = 0
  harness.connection = harness.connect({ token, tokenMillisMax: 1000, ...options })
  const opened = harness.connection.opened().then(
    () => 'open',
    (error: MillraceError) => error.code,
  )
  await settle()
  return opened
}

describe('a token of a function', () => {
  test('that is refused is followed by others, later each time', async () => {
    let asked = 0
    const opened = start(() => `token-${++asked}`)
    await settle()
    harness.clock.luck = 0.999
    const waits: number[] = []
    for (let count = 1; count < 5; count += 1) {
      const since = harness.clock.millis
      harness.sockets.last.lose(...refused)
      while (harness.sockets.all.length === count) await harness.clock.advance(1)
      waits.push(harness.clock.millis - since)
    }
    expect(waits).toEqual([200, 400, 800, 1599])
    expect(asked).toBe(5)
    harness.sockets.last.welcome()
    expect(await opened).toBe('open')
  })

  test('is refused five times in a row before that is the end', async () => {
    const opened = start(() => 'token')
    await settle()
    for (let count = 1; count <= 5; count += 1) {
      expect(harness.sockets.all).toHaveLength(count)
      harness.sockets.last.lose(...refused)
      await harness.clock.advance(6000)
    }
    expect(await opened).toBe('UNAUTHENTICATED')
    expect(harness.sockets.all).toHaveLength(5)
  })

  test('that was taken begins a new row', async () => {
    const opened = start(() => 'token')
    await settle()
    for (let round = 0; round < 3; round += 1) {
      for (let count = 0; count < 4; count += 1) {
        harness.sockets.last.lose(...refused)
        await harness.clock.advance(6000)
      }
      harness.sockets.last.welcome()
    }
    expect(await opened).toBe('open')
    expect(harness.connection.state).toBe('open')
  })

  test.each<[string, TokenSource, Partial<ConnectionOptions>]>([
    ['of a text', 'token', {}],
    ['where no other connection is wanted', () => 'token', { reconnect: false }],
  ])('is refused once %s', async (_, token, options) => {
    const opened = start(token, options)
    await settle()
    harness.sockets.last.lose(...refused)
    expect(await opened).toBe('UNAUTHENTICATED')
    await harness.clock.advance(60_000)
    expect(harness.sockets.all).toHaveLength(1)
  })
})

describe('a function that does not answer', () => {
  test('is asked again when its time is over, also for a connection that was lost', async () => {
    const never = () => new Promise<string>(() => undefined)
    let asked = 0
    const opened = start(() => {
      asked += 1
      return asked === 2 || asked === 3 ? never() : 'token'
    })
    await settle()
    harness.sockets.last.welcome()
    expect(await opened).toBe('open')
    harness.sockets.last.lose()
    await harness.clock.advance(999)
    expect([asked, harness.sockets.all.length]).toEqual([2, 1])
    await harness.clock.advance(1)
    expect(harness.connection.lastLoss).toMatch(
      /token function .* 1000 ms \(connectTimeoutMillis\)/,
    )
    await harness.clock.advance(3000)
    expect([asked, harness.sockets.all.length]).toEqual([4, 2])
    harness.sockets.last.welcome()
    expect(harness.connection.state).toBe('open')
  })

  test('in time is not heard any more', async () => {
    let answer: (token: string) => void = () => undefined
    let asked = 0
    const opened = start(() => {
      asked += 1
      return asked > 1 ? 'second' : new Promise<string>((resolve) => (answer = resolve))
    })
    await harness.clock.advance(1000)
    answer('first')
    await harness.clock.advance(1000)
    expect(harness.sockets.all).toHaveLength(1)
    harness.sockets.last.welcome()
    expect(await opened).toBe('open')
  })
})
