/** Rules that change between the check of a token and what it lets in. */

import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { Access } from '../../../../src/server/access/access.ts'
import type { Identity } from '../../../../src/server/access/identity.ts'
import { Session } from '../../../../src/server/access/session.ts'
import type { Upgrade } from '../../../../src/server/transport.ts'
import { upgradeOf } from '../../../../src/server/upgrades.ts'
import { FakeLogger, FakeSocket, makeConnections } from '../fakes.ts'
import { AccessFile, tokenFor } from './access-files.ts'

const reader = { permissions: [{ actions: ['get'], streams: ['*'] }] }
const { token, row } = tokenFor('reader')
const other = tokenFor('reader', 'other')
const rules = { host: '127.0.0.1', allowedOrigins: [], allowedHosts: [] }
const request = {
  method: 'GET',
  path: '/',
  remoteAddress: '127.0.0.1',
  host: 'localhost',
  origin: '',
  subprotocols: 'millrace.v1',
  authorization: `Bearer ${token}`,
  query: '',
}

let access: Access
let file: AccessFile

/** The token is known no more, the principal is. */
async function takeBack(): Promise<void> {
  file.write({ principals: { reader }, tokens: [other.row] })
  await access.reload()
}

beforeEach(async () => {
  file = new AccessFile({ principals: { reader }, tokens: [row, other.row] })
  access = await Access.open({ path: file.path, logger: new FakeLogger() })
})
afterEach(() => access.close())

it('an upgrade with a token that was taken back meanwhile is turned away', async () => {
  const { connections } = makeConnections({}, access)
  const upgrade = await upgradeOf(rules, connections, request)
  await takeBack()
  if (upgrade.kind !== 'accept') throw new Error(upgrade.answer.body)
  const socket = new FakeSocket()
  upgrade.handler(socket)
  expect(socket.events.join()).toMatch(/^close 4504 /)
  expect(connections.count).toBe(0)
})

describe('several upgrades whose tokens are checked at the same time', () => {
  const upgrades = async (limits: object, count: number) => {
    const { connections } = makeConnections(limits, access)
    const decided = await Promise.all(
      Array.from({ length: count }, () => upgradeOf(rules, connections, request)),
    )
    return { connections, decided }
  }
  const opened = (decided: readonly Upgrade[]) =>
    decided.map((upgrade) => {
      if (upgrade.kind !== 'accept') throw new Error(upgrade.answer.body)
      const socket = new FakeSocket()
      upgrade.handler(socket)
      return socket.events.join() || 'open'
    })

  it('keep to the limit of all connections', async () => {
    const { connections, decided } = await upgrades({ connectionsMax: 2 }, 4)
    const refused = expect.stringMatching(/^close 4429 LIMIT_EXCEEDED retryAfterMs=1000: 2 conn/)
    expect(opened(decided)).toEqual(['open', 'open', refused, refused])
    expect(connections.count).toBe(2)
  })

  it('keep to that of their principal', async () => {
    const limits = { connections: 1 }
    file.write({ principals: { reader: { ...reader, limits } }, tokens: [row, other.row] })
    await access.reload()
    const { connections, decided } = await upgrades({}, 3)
    const refused = expect.stringContaining('connections of reader are open, at most 1')
    expect(opened(decided)).toEqual(['open', refused, refused])
    expect(connections.count).toBe(1)
  })

  it('find a broker that is shutting down', async () => {
    const { connections, decided } = await upgrades({}, 1)
    await connections.drain()
    expect(opened(decided)).toEqual([expect.stringMatching(/^close 1012 /)])
  })
})

it('upgrades without a token keep to the limit of those who are not known', () => {
  const { connections } = makeConnections({ unauthenticatedConnectionsMax: 2 }, access)
  const unknown = { ...request, authorization: '' }
  const decided = [1, 2, 3].map(() => upgradeOf(rules, connections, unknown) as Upgrade)
  const events = decided.map((upgrade) => {
    if (upgrade.kind !== 'accept') throw new Error(upgrade.answer.body)
    const socket = new FakeSocket()
    socket.handler = upgrade.handler(socket)
    onTestFinished(() => socket.handler?.closed(1006))
    return socket.events.join()
  })
  expect(events).toEqual(['', '', expect.stringMatching(/^close 4429 .*unauthent/)])
  expect(connections.gate.unknown.count).toBe(2)
})

it('a first message with one is refused, and another one is taken', async () => {
  const { host } = makeConnections({}, access)
  const session = new Session(host.gate, '127.0.0.1', undefined, () => undefined)
  const [old, valid] = [await access.identify(token), await access.identify(other.token)]
  await takeBack()
  expect(() => session.take(old as Identity)).toThrow('not valid')
  expect(session.isKnown).toBe(false)
  session.take(valid as Identity)
  expect(session.isKnown).toBe(true)
  session.close()
})
