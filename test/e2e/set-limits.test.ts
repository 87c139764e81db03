/** Limits that are set on the command line, or of a server: the broker keeps to them. */

import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connect } from '../../src/client/node.ts'
import { messageBytesSpare } from '../../src/limits.ts'
import { openNodeTransport } from '../../src/server/node-transport.ts'
import { readTlsFiles } from '../../src/server/tls/tls-files.ts'
import { packMessage } from '../../src/wire/codec.ts'
import { runCli, serve, temporaryDirectory } from './cli-process.ts'
import { RawClient } from './raw-client.ts'
import { bring, makeCertificates, startTls } from './tls-port.ts'

const settings = {
  MILLRACE_FAN_OUT_SUBSCRIPTIONS_MAX: '1',
  MILLRACE_FAN_OUT_CONNECTION_CREDIT_BYTES_MAX: '100000',
  MILLRACE_FAN_OUT_HEARTBEAT_MILLIS: '500',
  MILLRACE_LIMITS_CONSUMERS_PER_STREAM_MAX: '2',
  MILLRACE_SERVER_CONNECTION_MILLIS_MAX: '1',
}

/** Also where a reset comes before it, which ends what `once` waits for. */
const closeOf = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve))

describe('a broker with limits of its own', () => {
  async function broker(...names: (keyof typeof settings)[]) {
    const environment = Object.fromEntries(names.map((name) => [name, settings[name]]))
    return await serve(['--ephemeral', '--create', 'orders:3'], { environment })
  }

  it('says so to clients, which open connections for what does not fit', async () => {
    const { url } = await broker(
      'MILLRACE_FAN_OUT_SUBSCRIPTIONS_MAX',
      'MILLRACE_FAN_OUT_CONNECTION_CREDIT_BYTES_MAX',
    )
    const raw = await RawClient.connect(url)
    expect((await raw.next()).slice(7)).toEqual([1, 100_000])
    const subscribe = async (id: number) => {
      raw.send([0x28, id, 'orders', String(id), null, 'LATEST', null, null, 1000])
      for (;;) {
        const message = await raw.next()
        if (message[0] === 0x28) return message.slice(2, 4)
      }
    }
    expect((await subscribe(0))[0]).toBe(null)
    expect(await subscribe(1)).toEqual([
      'LIMIT_EXCEEDED',
      expect.stringContaining('at most 1 (subscriptionsMax)'),
    ])
    const client = await connect(url)
    await using producer = client.producer('orders')
    const subscriptions = ['0', '1', '2'].map((shard) =>
      client.subscribe('orders', { from: 'oldest', shards: [shard] }),
    )
    const firsts = subscriptions.map(async (it) => {
      for await (const batch of it) return batch.shardId
      return undefined
    })
    for (let key = 0; key < 50; key += 1)
      void producer.put({ key: String(key), data: new Uint8Array(10) })
    await producer.flush()
    expect(new Set(await Promise.all(firsts)).size).toBe(3)
    await client.close()
    await raw.close()
  })

  it('sends heartbeats as often as is said', async () => {
    const { url } = await broker('MILLRACE_FAN_OUT_HEARTBEAT_MILLIS')
    const client = await RawClient.open(url)
    await client.ask([0x28, 1, 'orders', '0', null, 'LATEST', null, null, 1000])
    const beats = Array.from({ length: 5 }, () => client.next())
    // With those of 5 s it would take longer than this test has.
    expect((await Promise.all(beats)).map(([opcode]) => opcode)).toEqual(Array(5).fill(0x42))
    await client.close()
  }, 15_000)

  it('cuts texts of its log where it is told to', async () => {
    const data = join(temporaryDirectory(), 'd'.repeat(100))
    const { facts } = await serve(['--data', data, '--server-log-text-characters-max', '64'])
    expect(facts['data']).toBe(`${data.slice(0, 63)}…`)
  })

  it('takes messages that are no larger than is set, and says so to clients', async () => {
    const environment = { MILLRACE_SERVER_FRAME_BYTES_MAX: '8192' }
    const { url } = await serve(['--ephemeral', '--create', 'orders:1'], { environment })
    const raw = await RawClient.connect(url)
    expect((await raw.next())[3]).toBe(8192)
    raw.socket.send(new Uint8Array([...packMessage([0x14, 7]), ...new Uint8Array(8192)]))
    expect((await raw.next()).slice(1, 4)).toEqual([
      7,
      'RECORD_TOO_LARGE',
      expect.stringContaining('at most 8192 (frameBytesMax)'),
    ])
    raw.socket.send(new Uint8Array(8192 + messageBytesSpare + 1))
    expect((await raw.closed).code).toBe(1006)
    const client = await connect(url)
    const put = client.putRecords('orders', [{ key: 'k', data: new Uint8Array(10_000) }])
    await expect(put).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
    await client.putRecords('orders', [{ key: 'k', data: new Uint8Array(7000) }])
    await client.close()
  })

  it('lets so many look at its admin port', async () => {
    const more = ['--admin-listen', '127.0.0.1:0', '--server-admin-connections-max', '1']
    const { facts } = await serve(['--ephemeral', ...more])
    const { hostname, port } = new URL(facts['adminUrl'] as string)
    const open = () => connectPlain({ host: hostname, port: Number(port) })
    const first = open()
    await once(first, 'connect')
    first.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    const [answer] = await once(first, 'data')
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
    const second = open()
    second.on('error', () => undefined)
    await closeOf(second)
    expect(second.bytesRead).toBe(0)
    first.destroy()
  })

  it('registers so many consumers of a stream', async () => {
    const { url } = await broker('MILLRACE_LIMITS_CONSUMERS_PER_STREAM_MAX')
    const run = (name: string) =>
      runCli(['consumer', 'register', 'orders', name], { environment: { MILLRACE_URL: url } })
    expect([(await run('a')).status, (await run('b')).status]).toEqual([0, 0])
    const { status, stderr } = await run('c')
    expect(stderr).toMatch(/LIMIT_EXCEEDED: .*as many consumers as it can, 2/)
    expect(status).not.toBe(0)
  })

  it('ends connections when their time is over, and clients come back without a word', async () => {
    const { url } = await broker('MILLRACE_SERVER_CONNECTION_MILLIS_MAX')
    const client = await connect(url)
    const states: string[] = []
    client.on('state', (state) => states.push(state))
    const raw = await RawClient.open(url)
    const { code, reason } = await raw.closed
    expect([code, reason]).toEqual([1012, expect.stringContaining('connectionMillisMax')])
    await expect.poll(() => states.join(), { timeout: 20_000 }).toMatch(/reconnecting.*open/)
    await client.putRecords('orders', [{ key: 'k', data: new Uint8Array(1) }])
    await client.close()
  })
})

describe('a port with TLS', () => {
  const made = makeCertificates()

  it('handshakes and headers that drip are cut off in their time', async () => {
    const { server } = await startTls(made.pair, { handshakeMillisMax: 1000 })
    const socket = connectTls({ port: server.port, host: '127.0.0.1', ...bring(made.authority) })
    await once(socket, 'secureConnect')
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ')
    const dripping = setInterval(() => socket.write('x'), 100)
    const answered: Buffer[] = []
    socket.on('data', (data: Buffer) => answered.push(data))
    await closeOf(socket)
    clearInterval(dripping)
    expect(Buffer.concat(answered).toString()).toMatch(/^HTTP\/1\.1 408 /)
    // Those of the default of 10 s would outlast this test.
  }, 9000)

  it('a client that stops within the handshake of TLS is cut off in that time', async () => {
    const { server } = await startTls(made.pair, { handshakeMillisMax: 1000 })
    const socket = connectPlain({ port: server.port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    // A record of TLS, of 512 bytes, with the beginning of a ClientHello.
    const dripped = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])
    let at = 0
    const dripping = setInterval(() => {
      socket.write(dripped.subarray(at, at + 1))
      at += 1
    }, 100)
    onTestFinished(() => clearInterval(dripping))
    await closeOf(socket)
    expect(socket.bytesRead).toBe(0)
    // With the default of Node, 120 s, it would outlast this test.
  }, 9000)

  it('takes no more connections than it may, and one more when one has gone', async () => {
    const { url } = await startTls(made.pair, { connectionsMax: 2 })
    const trusted = bring(made.authority)
    const open = () => RawClient.connect(url, trusted)
    const [first, second] = [await open(), await open()]
    await expect(open()).rejects.toThrow('503')
    await first.close()
    await expect.poll(() => open().then(() => 'open', String), { timeout: 5000 }).toBe('open')
    await second.close()
  })

  it('ends sockets beyond its bound before it speaks TLS with them', async () => {
    const { certFile, keyFile } = made.pair
    const transport = await openNodeTransport(
      {
        host: '127.0.0.1',
        port: 0,
        socketsMax: 4,
        socketsPerAddressMax: 4,
        messageBytesMax: 1000,
        handshakeMillisMax: 10_000,
        upgrade: () => ({ kind: 'refuse', answer: { status: '404 Not Found', body: '' } }),
        answer: () => ({ status: '200 OK', body: 'ok' }),
      },
      await readTlsFiles({ certFile, keyFile }, Date.now()),
    )
    onTestFinished(() => transport.close())
    const open = () =>
      connectTls({ port: transport.port, host: '127.0.0.1', ...bring(made.authority) })
    const end = (it: TLSSocket) => {
      it.on('error', () => undefined)
      const opened = once(it, 'secureConnect').then(() => 'open')
      return Promise.race([opened, once(it, 'close').then(() => 'closed')]).catch(() => 'closed')
    }
    const sockets = Array.from({ length: 10 }, open)
    const ends = await Promise.all(sockets.map(end))
    expect(ends.filter((it) => it === 'open')).toHaveLength(4)
    for (const it of sockets) it.destroy()
    await expect.poll(() => end(open()), { timeout: 5000 }).toBe('open')
  })
})
