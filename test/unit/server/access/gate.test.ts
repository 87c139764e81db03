/** Who is let in where others of the address were wrong, and what the audit says of it. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Access } from '../../../../src/server/access/access.ts'
import type { Gate } from '../../../../src/server/access/gate.ts'
import { FakeLogger, makeConnections } from '../fakes.ts'
import { AccessFile, audience, issuer, keyRows, signJwt, tokenFor } from './access-files.ts'

const reader = { permissions: [{ actions: ['get'], streams: ['*'] }] }
const { token, row } = tokenFor('reader')
const wrong = tokenFor('reader').token
const address = '192.0.2.1'
const burst = 3

let access: Access
let gate: Gate
let logger: FakeLogger
let clock: { now: number }

beforeEach(async () => {
  const { secretFile } = new AccessFile({})
  const jwt = { issuer, audience, keys: await keyRows(secretFile) }
  const { path } = new AccessFile({ principals: { reader }, tokens: [row], jwt })
  access = await Access.open({ path, logger: new FakeLogger() })
  const made = makeConnections({ failedAuthenticationsBurst: burst }, access)
  gate = made.connections.gate
  ;({ logger, clock } = made)
})
afterEach(() => access.close())

const codeOf = (shown: string, from = address) =>
  gate.identify(shown, from).then(
    ({ principal }) => principal,
    (error) => error.code as string,
  )

async function fail(): Promise<void> {
  for (let count = 0; count < burst; count += 1) {
    expect(await codeOf(wrong)).toBe('UNAUTHENTICATED')
  }
}

describe('an address whose tokens were wrong', () => {
  it('gets no further wrong one looked at, and no token that takes work', async () => {
    await fail()
    const jwt = await signJwt({ now: Date.now() })
    expect(await codeOf(wrong)).toBe('LIMIT_EXCEEDED')
    expect(await codeOf(jwt)).toBe('LIMIT_EXCEEDED')
    expect(await codeOf(jwt, '192.0.2.2')).toBe('reader')
    clock.now += 1000
    expect(await codeOf(jwt)).toBe('reader')
  })

  it('does not keep a static token out that is right', async () => {
    await fail()
    for (let count = 0; count < 100; count += 1) {
      expect(await codeOf(wrong)).toBe('LIMIT_EXCEEDED')
      expect(await codeOf(token)).toBe('reader')
    }
  })
})

it('a flood of wrong tokens does not hide from the audit what is denied', async () => {
  for (let count = 0; count < 1000; count += 1) await codeOf(wrong)
  gate.audit.denied('reader', 'CreateStream', 'orders')
  const audits = logger.lines.map(({ facts }) => (facts as { audit?: string }).audit)
  expect(audits.filter((it) => it === 'refused')).toHaveLength(100)
  expect(audits.at(-1)).toBe('denied')
})
