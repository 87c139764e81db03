/** Our clients, and the command line, with a broker that asks who they are. */

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { browserSockets } from '../../src/client/browser-socket.ts'
import { type ConnectOptions, connectOver } from '../../src/client/client.ts'
import { systemClock } from '../../src/client/clock.ts'
import { connect } from '../../src/client/node.ts'
import {
  AccessFile,
  audience,
  issuer,
  keyRows,
  signJwt,
  tokenFor,
} from '../unit/server/access/access-files.ts'
import { audited, file, serve, server } from './asking-broker.ts'
import { runCli } from './cli-process.ts'

const principals = {
  admin: { permissions: [{ actions: ['admin', 'put', 'get'], streams: ['*'] }] },
  reader: { permissions: [{ actions: ['get'], streams: ['*'] }] },
}
const [admin, other] = [tokenFor('admin'), tokenFor('admin', 'second')]
const content = { principals, tokens: [admin.row, other.row] }

beforeEach(async () => {
  const made = new AccessFile(content)
  const keys = await keyRows(made.secretFile)
  made.write({ ...content, jwt: { issuer, audience, keys, clockSkewSeconds: 0 } })
  await serve({}, made)
})

const inBrowser = (options: ConnectOptions) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')
  Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, configurable: true })
  try {
    return connectOver(browserSockets(systemClock), server.url, options)
  } finally {
    if (before === undefined) Reflect.deleteProperty(globalThis, 'WebSocket')
    else Object.defineProperty(globalThis, 'WebSocket', before)
  }
}
const inNode = (options: ConnectOptions) => connect(server.url, options)
const accepted = () => audited('authenticated').length

describe.each([
  ['in Node', inNode],
  ['in a browser', inBrowser],
])('a client %s', (_, open) => {
  it('shows its token before there is a connection', async () => {
    const client = await open({ token: admin.token })
    expect((await client.listStreams()).streamSummaries).toBeInstanceOf(Array)
    await client.close()
  })

  it.each<[string, ConnectOptions]>([
    ['none', {}],
    ['a wrong one', { token: tokenFor('admin').token }],
    ['what is none', { token: 'a b\r\nHost: c' }],
    ['what is none, from a function', { token: () => '' }],
  ])('with %s is told so, and does not try again', async (_, options) => {
    const started = performance.now()
    await expect(open(options)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    expect(performance.now() - started).toBeLessThan(8000)
  })

  it('comes again with a newer token when the one that it had is taken back', async () => {
    const given = [admin.token, other.token]
    const client = await open({ token: async () => given.shift() ?? other.token })
    await client.listStreams()
    file.write({ principals, tokens: [other.row] })
    while (accepted() < 2) await wait(20)
    expect(given).toEqual([])
    await client.listStreams()
    await client.close()
  })

  it('shows a newer token before the one that it has expires', async () => {
    const states: string[] = []
    let asked = 0
    const client = await open({
      token: () => {
        asked += 1
        const now = Date.now()
        return signJwt({ now, claims: { exp: Math.ceil(now / 1000) + (asked < 3 ? 1 : 60) } })
      },
    })
    client.on('state', (state) => states.push(state))
    while (accepted() < 3) await wait(20)
    await client.listStreams()
    expect(states).toEqual([])
    await client.close()
  })

  it('comes again where the token of a late clock was refused', async () => {
    let asked = 0
    const client = await open({
      token: () => {
        asked += 1
        const now = Date.now()
        return signJwt({ now, claims: { exp: Math.floor(now / 1000) + (asked < 3 ? -5 : 60) } })
      },
    })
    await client.listStreams()
    expect(asked).toBe(3)
    await client.close()
  })

  it('tries again while its function fails', async () => {
    let asked = 0
    const client = await open({
      token: async () => {
        asked += 1
        if (asked < 3) throw new Error('the issuer is away')
        return admin.token
      },
    })
    await client.listStreams()
    await client.close()
    const failing = open({
      token: () => Promise.reject(new Error('the issuer is away')),
      connectTimeoutMillis: 200,
    })
    await expect(failing).rejects.toMatchObject({
      code: 'CONNECTION_LOST',
      message: expect.stringContaining('the issuer is away'),
    })
  })
})

describe('the command line', () => {
  const ls = (env: Record<string, string>, more: string[] = []) =>
    runCli(['stream', 'ls', '--url', server.url, ...more], { environment: env })

  it('has its token from a file, or from the environment', async () => {
    const path = join(file.dir, 'token')
    writeFileSync(path, `${admin.token}\n`, { mode: 0o600 })
    expect((await ls({}, ['--token-file', path])).status).toBe(0)
    expect((await ls({ MILLRACE_TOKEN_FILE: path })).status).toBe(0)
    const { status, stdout } = await ls({ MILLRACE_TOKEN: admin.token })
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^orders /m)])
    chmodSync(path, 0o644)
    const open = await ls({}, ['--token-file', path])
    expect(open.status).toBe(4)
    expect(open.stderr).toMatch(/^error: UNAUTHENTICATED: .*mode 0644.*chmod 600/)
  })

  it('says what is missing, and nothing of what is wrong', async () => {
    const without = await ls({})
    expect([without.status, without.stderr]).toEqual([
      4,
      expect.stringMatching(/^error: UNAUTHENTICATED: [\s\S]*--token-file/),
    ])
    const wrong = await ls({ MILLRACE_TOKEN: 'CANARY-of-the-environment' })
    expect(wrong.status).toBe(4)
    expect(wrong.stdout + wrong.stderr).not.toContain('CANARY')
  })
})
