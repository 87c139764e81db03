/** How soon a change of the rules, and the end of a token, act: by a clock that the test moves. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Access } from '../../../../src/server/access/access.ts'
import type { Identity } from '../../../../src/server/access/identity.ts'
import { FakeLogger, makeConnections } from '../fakes.ts'
import { AccessFile, audience, issuer, keyRows, signJwt, tokenFor } from './access-files.ts'

const changeMillis = 1000
const expiryMillis = 5000

const reader = { permissions: [{ actions: ['get'], streams: ['*'] }] }
const { token, row } = tokenFor('reader')
const other = tokenFor('reader', 'other')

/** Files are read all the same: nothing but timers and the time of day stands still. */
beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
  })
})
afterEach(() => {
  vi.useRealTimers()
})

async function openAccess(file: AccessFile) {
  const access = await Access.open({ path: file.path, logger: new FakeLogger() })
  const { open, connections } = makeConnections({}, access)
  const openAs = async (shown: string) => {
    const identity = (await access.identify(shown)) as Identity
    return open('127.0.0.1', identity)
  }
  return { access, connections, openAs }
}

describe('a change of the access file', () => {
  it('is looked for within a second, again and again, and acts as soon as it is read', async () => {
    const file = new AccessFile({ principals: { reader }, tokens: [row, other.row] })
    const { access, connections, openAs } = await openAccess(file)
    const first = await openAs(token)
    const second = await openAs(other.token)
    const closeOf = async ({ socket }: typeof first) => {
      const closed = new Promise<void>((resolve) => {
        access.onChange(resolve)
      })
      vi.advanceTimersByTime(changeMillis)
      await closed
      return socket.events.join()
    }
    file.write({ principals: { reader }, tokens: [other.row] })
    expect(await closeOf(first)).toMatch(/^close 4401 /)
    expect([second.socket.events, connections.count]).toEqual([[], 1])
    file.write({ principals: { reader }, tokens: [] })
    expect(await closeOf(second)).toMatch(/^close 4401 /)
    access.close()
  })
})

describe('a token that expires', () => {
  const jwts = async (clockSkewSeconds: number) => {
    const file = new AccessFile('')
    const jwt = { issuer, audience, keys: await keyRows(file.secretFile), clockSkewSeconds }
    file.write({ principals: { reader }, jwt })
    return await openAccess(file)
  }
  const expiring = (seconds: number) => {
    const now = Date.now()
    return signJwt({ now, claims: { exp: Math.floor(now / 1000) + seconds } })
  }

  it.each([0, 60])('ends its connection within 5 s, with a skew of %d s', async (skew) => {
    vi.setSystemTime(1_800_000_000_000)
    const { access, openAs } = await jwts(skew)
    const { socket } = await openAs(await expiring(30))
    vi.advanceTimersByTime(29_999)
    expect(socket.events).toEqual([])
    vi.advanceTimersByTime(1 + expiryMillis)
    expect(socket.events.join()).toMatch(/^close 4401 .*expired/)
    access.close()
  })
})
