/** Clients with certificates, the program with TLS, and everything of a client over it. */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Broker } from '../../src/broker/broker.ts'
import { brokerCpuSeconds } from '../../src/cli/bench/broker-cpu.ts'
import { connect } from '../../src/client/node.ts'
import { openNodeTransport } from '../../src/server/node-transport.ts'
import { startServer } from '../../src/server/server.ts'
import { readTlsFiles, type TlsFiles } from '../../src/server/tls/tls-files.ts'
import type { Socket } from '../../src/server/transport.ts'
import type { Pair } from '../support/certificates.ts'
import { AccessFile } from '../unit/server/access/access-files.ts'
import { FakeLogger } from '../unit/server/fakes.ts'
import { putFrame } from '../unit/server/frames.ts'
import { runCli, serve, temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'
import { askTls, bring, makeCertificates, startTls, stopLater } from './tls-port.ts'

const made = makeCertificates()
const start = (files: Partial<TlsFiles> = {}) => startTls({ ...made.pair, ...files })
const trusted = (own?: Pair) => bring(made.authority, own)
const ignore = () => undefined

describe('mutual TLS', () => {
  const mutual = () => start({ clientCaFile: made.authority.certFile })

  it('lets those in whose certificates are of the authority', async () => {
    const { url, broker } = await mutual()
    const own = made.authority.issue({ name: 'billing', alternativeNames: 'DNS:billing.example' })
    const client = await RawClient.connect(url, trusted(own))
    expect((await client.next())[0]).toBe(0x01)
    client.socket.send(putFrame(1))
    expect(await client.next()).toEqual([0x20, 1, null, 'disk'])
    expect(broker.puts).toEqual([])
    expect((await askTls(url, '/healthz', trusted(own))).status).toBe(200)
  })

  it.each([
    ['no certificate', () => undefined],
    ['one of another authority', () => made.stranger.issue({ name: 'billing' })],
    ['one that has expired', () => made.authority.issue({ name: 'billing', days: -1 })],
  ])('refuses those with %s', async (_, make) => {
    const { url } = await mutual()
    const own = make()
    await expect(RawClient.connect(url, trusted(own))).rejects.toThrow(
      /alert|ECONNRESET|EPIPE|hang up/,
    )
    await expect(askTls(url, '/healthz', trusted(own))).rejects.toThrow(
      /alert|ECONNRESET|EPIPE|hang up/,
    )
    const metrics = await askTls(
      url,
      '/metrics',
      trusted(made.authority.issue({ name: 'operator' })),
    )
    expect(metrics.text).toMatch(/^millrace_connections 0$/m)
  })

  it('a certificate stands for a principal of the access file, and for nobody else', async () => {
    const broker = await Broker.open({ dir: temporaryDirectory() })
    onTestFinished(() => broker.close())
    const named = (name: string) => ({ name, alternativeNames: `DNS:${name}.example` })
    const [writer, admin, nobody] = ['writer', 'admin', 'nobody'].map((it) =>
      trusted(made.authority.issue(named(it))),
    )
    const fingerprint = new X509Certificate(admin?.cert ?? '').fingerprint256
    const file = new AccessFile({
      principals: {
        writer: { permissions: [{ actions: ['put'], streams: ['orders'] }] },
        admin: { permissions: [{ actions: ['admin', 'get'], streams: ['*'] }] },
      },
      certificates: [
        { name: 'DNS:writer.example', principal: 'writer' },
        { name: `SHA256:${fingerprint}`, principal: 'admin' },
      ],
    })
    const server = await startServer({
      ...{ broker, logger: new FakeLogger(), port: 0, version: '1', accessFile: file.path },
      tls: { ...made.pair, clientCaFile: made.authority.certFile },
    })
    stopLater(server)
    const open = (tls: object | undefined) => connect(server.url, { tls, reconnect: false })
    const asAdmin = await open(admin)
    await asAdmin.createStream('orders', { shardCount: 1 })
    await asAdmin.untilActive('orders')
    const asWriter = await open(writer)
    const record = { key: 'a', data: Buffer.from('x') }
    expect((await asWriter.put('orders', record)).sequenceNumber).toBe(1n)
    await expect(asAdmin.put('orders', record)).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    await expect(asWriter.deleteStream('orders')).rejects.toMatchObject({ code: 'ACCESS_DENIED' })
    expect((await askTls(server.url, '/metrics', admin ?? {})).status).toBe(200)
    expect(await brokerCpuSeconds(server.url, undefined, admin ?? {})).toBeGreaterThan(0)
    expect(await brokerCpuSeconds(server.url, undefined, writer ?? {})).toBeUndefined()
    expect((await askTls(server.url, '/metrics', writer ?? {})).status).toBe(403)
    expect((await askTls(server.url, '/metrics', nobody ?? {})).status).toBe(401)
    const asNobody = await RawClient.connect(server.url, nobody)
    await asNobody.next()
    expect((await asNobody.ask([0x28, 1]))[2]).toBe('UNAUTHENTICATED')
    await asAdmin.close()
    await asWriter.close()
  })

  it('ends connections with the certificates of their clients', async () => {
    const { certFile, keyFile } = made.pair
    const files = { certFile, keyFile, clientCaFile: made.authority.certFile }
    const ahead = { millis: 0 }
    const opened: Socket[] = []
    const handler = (socket: Socket) => {
      opened.push(socket)
      return { receive: ignore, drained: ignore, ponged: ignore, closed: ignore }
    }
    const transport = await openNodeTransport(
      {
        host: '127.0.0.1',
        port: 0,
        socketsMax: 100,
        socketsPerAddressMax: 100,
        messageBytesMax: 1000,
        handshakeMillisMax: 10_000,
        upgrade: () => ({ kind: 'accept', subprotocol: 'millrace.v1', handler }),
        answer: () => ({ status: '200 OK', body: 'ok' }),
      },
      await readTlsFiles(files, Date.now()),
      () => Date.now() + ahead.millis,
    )
    onTestFinished(() => transport.close())
    const url = `wss://127.0.0.1:${transport.port}`
    const own = made.authority.issue({ name: 'billing', days: 1 })
    const { validTo } = new X509Certificate(readFileSync(own.certFile))
    const endsInMillis = Date.parse(validTo) - Date.now()
    ahead.millis = endsInMillis - 3000
    const client = await RawClient.connect(url, trusted(own))
    expect(opened).toHaveLength(1)
    expect((await client.closed).code).toBe(1006)
    // What a session that is resumed comes to: the handshake alone does not see its end.
    ahead.millis = endsInMillis
    await expect(RawClient.connect(url, trusted(own))).rejects.toThrow()
    expect(opened).toHaveLength(1)
    ahead.millis = 0
    const other = trusted(made.authority.issue({ name: 'billing' }))
    await RawClient.connect(url, other)
    expect(opened).toHaveLength(2)
  })

  it('takes new authorities, and does not let who was in resume a session without', async () => {
    const ca = join(made.dir, 'authorities.pem')
    copyFileSync(made.authority.certFile, ca)
    const { server, logger } = await start({ clientCaFile: ca })
    const own = trusted(made.authority.issue({ name: 'billing' }))
    const first = connectTls({ port: server.port, host: '127.0.0.1', ...own })
    const session = await sessionOf(first)
    copyFileSync(made.stranger.certFile, ca)
    const isRead = () => logger.lines.some((it) => it.text === 'certificate read again')
    await expect.poll(isRead, { timeout: 10_000 }).toBe(true)
    for (const more of [{}, { session }]) {
      const again = connectTls({ port: server.port, host: '127.0.0.1', ...own, ...more })
      again.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
      const outcome = await new Promise((resolve) => {
        again.once('data', () => resolve('answered'))
        again.once('error', () => resolve('refused'))
        again.once('close', () => resolve('refused'))
      })
      expect(outcome).toBe('refused')
      again.destroy()
    }
  })
})

/** A ticket to go on with, which TLS 1.3 sends after the handshake. */
async function sessionOf(socket: TLSSocket): Promise<Buffer> {
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const [[session]] = await Promise.all([once(socket, 'session'), once(socket, 'data')])
  socket.destroy()
  return session as Buffer
}

describe('the program', () => {
  it('serves with a certificate, and its commands bring theirs', async () => {
    const own = made.authority.issue({ name: 'billing' })
    const data = join(temporaryDirectory(), 'data')
    const files = ['--tls-cert-file', made.pair.certFile, '--tls-key-file', made.pair.keyFile]
    const mutual = [...files, '--tls-client-ca-file', made.authority.certFile]
    const served = await serve(['--data', data, '--create', 'orders:1', ...mutual])
    expect(served.url).toMatch(/^wss:/)
    const environment = {
      MILLRACE_URL: served.url,
      MILLRACE_TLS_CA_FILE: made.authority.certFile,
      MILLRACE_CLIENT_CERT_FILE: own.certFile,
      MILLRACE_CLIENT_KEY_FILE: own.keyFile,
    }
    const put = await runCli(['put', 'orders', '--key', 'a', 'x'], { environment })
    expect(put).toMatchObject({ status: 0, stderr: '' })
    const got = await runCli(['get', 'orders', '--raw'], { environment })
    expect(got.stdout).toBe('x\n')
    const { MILLRACE_CLIENT_CERT_FILE: _, ...without } = environment
    const refused = await runCli(['stream', 'ls'], { environment: without })
    expect(refused.status).toBe(6)
    const missing = { ...environment, MILLRACE_TLS_CA_FILE: join(made.dir, 'missing') }
    const unreadable = await runCli(['stream', 'ls'], { environment: missing })
    expect(unreadable.stderr).toMatch(/^error: FILE_UNREADABLE: tlsCaFile: .*ENOENT/)
    expect(await served.stop()).toBe(0)
  })

  it('with certificates on both sides may be reached by others', async () => {
    const files = ['--tls-cert-file', made.pair.certFile, '--tls-key-file', made.pair.keyFile]
    const start = ['--listen', '0.0.0.0:0', '--ephemeral', ...files]
    const alone = await runCli(['serve', ...start])
    expect(alone.stderr).toMatch(/^error: UNSAFE_ADDRESS: .* without authentication; /)
    expect(alone.status).toBe(78)
    const served = await serve([...start, '--tls-client-ca-file', made.authority.certFile])
    expect(served.stderr.text).not.toContain('can be read')
    expect(served.stderr.text).not.toContain('anybody')
    expect(await served.stop()).toBe(0)
  })

  it('refuses half a pair, and a key for others to read', async () => {
    const half = await runCli(['serve', '--tls-cert-file', made.pair.certFile])
    expect(half.stderr).toMatch(/^error: CONFIGURATION_INVALID: TLS takes both/)
    expect(half.status).toBe(2)
    const args = ['--tls-cert-file', made.pair.certFile, '--tls-key-file', made.pair.certFile]
    const wrong = await runCli(['serve', '--ephemeral', '--listen', '127.0.0.1:0', ...args])
    expect(wrong.stderr).toMatch(/^error: TLS_FILE_REFUSED: .*\nhint: .*chmod 600/)
    expect(wrong.status).toBe(4)
  })
})

it('everything of a client works over TLS: a producer, a subscription', async () => {
  const data = temporaryDirectory()
  const broker = await Broker.open({ dir: data })
  onTestFinished(() => broker.close())
  const server = await startServer({
    ...{ broker, logger: new FakeLogger(), port: 0, version: '1' },
    tls: made.pair,
  })
  stopLater(server)
  const { ca } = trusted()
  const client = await connect(server.url, { tls: { ca } })
  await client.createStream('orders', { shardCount: 2 })
  await client.untilActive('orders')
  const producer = client.producer('orders')
  const count = 20_000
  for (let n = 0; n < count; n += 1) {
    await producer.put({ key: `k${n % 50}`, data: new Uint8Array(200).fill(n % 251) })
  }
  await producer.close()
  let found = 0
  for await (const batch of client.subscribe('orders', { from: 'oldest' })) {
    for (const record of batch) {
      expect(record.data.length).toBe(200)
      found += 1
    }
    if (found >= count) break
  }
  expect(found).toBe(count)
  await client.close()
})
