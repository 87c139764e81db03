/** Rules that change between the check of a token and what it lets in. */

import { afterEach, beforeEach, expect, it } from 'vitest'
import { Access } from '../../../../src/server/access/access.ts'
import type { Identity } from '../../../../src/server/access/identity.ts'
import { Session } from '../../../../src/server/access/session.ts'
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
