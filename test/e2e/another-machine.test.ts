/** A broker that other machines can reach, asked from one: no address in this is of loopback. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AccessFile, tokenFor } from '../unit/server/access/access-files.ts'
import { runCli, type Served, serve, temporaryDirectory } from './cli-process.ts'
import { makeCertificates } from './tls-port.ts'
import { Machine, whyNoNamespace } from './two-machines.ts'

const reason = whyNoNamespace()
if (reason !== undefined) console.log(`skipped: a broker seen from another machine: ${reason}`)

const here = '10.99.0.1'
const [there, elsewhere] = ['10.99.0.2', '10.99.0.3']
const port = 4570
const certificates = makeCertificates()
const owner = tokenFor('owner')
const bearer = { authorization: `Bearer ${owner.token}` }
const principals = {
  owner: { permissions: [{ actions: ['put', 'get', 'subscribe', 'admin'], streams: ['*'] }] },
}

describe.skipIf(reason !== undefined)('seen from another machine', () => {
  let broker: Machine
  let client: Machine

  beforeAll(async () => {
    ;[broker, client] = await Machine.pair([here, there, elsewhere])
  })

  afterAll(async () => {
    await broker.end()
    await client.end()
  })

  const listen = ['--listen', `${here}:${port}`, '--ephemeral', '--create', 'a-stream-of-ours:1']

  function tls(): readonly string[] {
    const { certFile, keyFile } = certificates.authority.issue({
      name: 'broker',
      alternativeNames: `IP:${here}`,
    })
    return ['--tls-cert-file', certFile, '--tls-key-file', keyFile]
  }

  const access = () =>
    ['--access-file', new AccessFile({ principals, tokens: [owner.row] }).path] as const

  /** A broker as others can reach it, and how it is asked from there. */
  async function protectedBroker(...more: readonly string[]) {
    const { inside } = broker
    const args = [...listen, ...tls(), ...access(), ...more]
    const served = await serve(args, { inside })
    const ca = certificates.authority.certFile
    return {
      served,
      get: (path: string, headers: object = {}) =>
        client.probe({ url: served.url, ca, get: [path, headers] }),
      open: (...open: (readonly [from: string, headers: object])[]) =>
        client.probe({ url: served.url, ca, open }),
    }
  }

  const stop = async (served: Served) => expect(await served.stop()).toBe(0)

  it('it does not start there without both TLS and authentication', async () => {
    const cwd = temporaryDirectory()
    for (const [args, lacks] of [
      [[], '--insecure-no-auth --insecure-no-tls'],
      [tls(), '--insecure-no-auth'],
      [access(), '--insecure-no-tls'],
    ] as const) {
      const options = { cwd, inside: broker.inside }
      const { status, stderr } = await runCli(['serve', ...listen, ...args], options)
      expect(stderr).toMatch(/^error: UNSAFE_ADDRESS: /)
      expect(stderr.split('\n')[0]).toMatch(new RegExp(`${lacks}$`))
      expect(status).toBe(78)
    }
    expect(broker.listening()).toEqual([])
  })

  it('nothing but its port is open, and nobody learns a name without a token', async () => {
    const { served, get, open } = await protectedBroker()
    const hex = Buffer.from(here.split('.').map(Number)).readUInt32LE().toString(16)
    const wanted = `${hex.padStart(8, '0')}:${port.toString(16)}`.toUpperCase()
    expect(broker.listening()).toEqual([wanted])
    expect(await get('/healthz')).toEqual([200, 'ok\n'])
    expect(await get('/readyz')).toEqual([200, 'ready\n'])
    for (const path of ['/metrics', '/', '/a-stream-of-ours', '/metrics?token=x']) {
      const [status, text] = (await get(path)) as [number, string]
      expect(status).toBeGreaterThanOrEqual(400)
      expect(text).not.toContain('stream-of-ours')
    }
    const [status, metrics] = (await get('/metrics', bearer)) as [number, string]
    expect([status, metrics]).toEqual([200, expect.stringContaining('a-stream-of-ours')])
    expect(await open([there, bearer])).toEqual([101])
    await stop(served)
  })

  it('Host and Origin are those of its address, and no others', async () => {
    const { served, get, open } = await protectedBroker()
    const host = `${here}:${port}`
    for (const wrong of ['evil.example', `${here}.evil.example`, `evil.example:${port}`]) {
      expect(await get('/healthz', { host: wrong })).toEqual([403, expect.any(String)])
    }
    const origins = [`https://${there}:${port}`, 'null', `https://${here}:1`]
    for (const origin of origins) {
      expect(await get('/metrics', { ...bearer, host, origin })).toEqual([403, expect.any(String)])
      expect(await open([there, { ...bearer, host, origin }])).toEqual([403])
    }
    expect(await open([there, { ...bearer, host, origin: `https://${host}` }])).toEqual([101])
    await stop(served)
  })

  it('each address has its share of connections', async () => {
    const { served, open } = await protectedBroker('--server-connections-per-address-max', '3')
    const mine = [there, bearer] as const
    expect(await open(mine, mine, mine, mine, [elsewhere, bearer])).toEqual([
      101, 101, 101, 503, 101,
    ])
    await stop(served)
  })

  it('strangers of an address have theirs', async () => {
    const share = ['--access-unauthenticated-connections-per-address-max', '2']
    const { served, open } = await protectedBroker(...share)
    const mine = [there, {}] as const
    const all = [mine, mine, mine, [elsewhere, {}], [there, bearer]] as const
    expect(await open(...all)).toEqual([101, 101, 503, 101, 101])
    await stop(served)
  })

  it('a client of that machine puts and reads', async () => {
    const { served } = await protectedBroker()
    const token = join(temporaryDirectory(), 'token')
    writeFileSync(token, owner.token, { mode: 0o600 })
    const trust = ['--tls-ca-file', certificates.authority.certFile, '--token-file', token]
    const { inside } = client
    const to = ['a-stream-of-ours', '--url', served.url, ...trust]
    const put = await runCli(['put', ...to, '--key', 'a', 'from afar'], { inside })
    expect([put.status, put.stderr]).toEqual([0, ''])
    const got = await runCli(['get', ...to], { inside })
    expect(got.stdout).toContain('from afar')
    expect(served.stderr.text).toContain(`"remoteAddress":"${there}"`)
    await stop(served)
  })
})
