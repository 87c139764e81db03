/** A port that speaks TLS: what it speaks with whom, and new certificates under load. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { frameBytesMax, messageBytesSpare } from '../../src/limits.ts'
import type { TlsFiles } from '../../src/server/tls/tls-files.ts'
import { packMessage } from '../../src/wire/codec.ts'
import { type Pair, replacePair } from '../support/certificates.ts'
import { putAnswer, putFrame } from '../unit/server/frames.ts'
import { RawClient } from './raw-client.ts'
import { askTls, bring, makeCertificates, shownAt, startTls } from './tls-port.ts'

const made = makeCertificates()
const start = (files: Partial<TlsFiles> = {}) => startTls({ ...made.pair, ...files })
const trusted = (own?: Pair) => bring(made.authority, own)

describe('a port with a certificate', () => {
  it('speaks wss and https, and nothing in plain text', async () => {
    const { url, server } = await start()
    expect(url).toBe(`wss://127.0.0.1:${server.port}`)
    const client = await RawClient.connect(url, trusted())
    expect(client.socket.protocol).toBe('millrace.v1')
    expect((await client.next()).slice(0, 5)).toEqual([0x01, 1, '1.2.3', frameBytesMax, 1024])
    expect(client.socket.extensions).toBe('')
    client.socket.send(putFrame(1))
    expect(await client.next()).toEqual([0x20, 1, null, 'disk'])
    expect(await askTls(url, '/healthz', trusted())).toEqual({ status: 200, text: 'ok\n' })
    expect((await askTls(url, '/metrics', trusted())).text).toMatch(/^millrace_connections 1$/m)
    expect((await askTls(url, '/nothing', trusted())).status).toBe(404)
    await expect(RawClient.connect(url.replace('wss', 'ws'))).rejects.toThrow()
    await expect(RawClient.connect(url, {})).rejects.toThrow(/certificate/)
  })

  it('refuses a page of its own address that came without TLS', async () => {
    const { url } = await start()
    const { host } = new URL(url)
    const own = (scheme: string) =>
      RawClient.connect(url, { ...trusted(), origin: `${scheme}://${host}` })
    await expect(own('http')).rejects.toThrow('403')
    const client = await own('https')
    await client.close()
  })

  it.each([
    [{ origin: 'http://evil.example' }, '403'],
    [{ origin: 'null' }, '403'],
    [{ origin: 'https://localhost:5173' }, '403'],
    [{ headers: { host: 'evil.example' } }, '403'],
  ])('refuses %j before there is a WebSocket', async (options, status) => {
    const { url } = await start()
    await expect(RawClient.connect(url, { ...trusted(), ...options })).rejects.toThrow(status)
    expect((await askTls(url, '/metrics', trusted())).text).toMatch(/^millrace_connections 0$/m)
  })

  it('closes who speaks another protocol with 4501, and is no WebSocket elsewhere', async () => {
    const { url } = await start()
    const client = await RawClient.connect(url, { ...trusted(), subprotocols: ['mqtt'] })
    expect((await client.closed).code).toBe(4501)
    await expect(RawClient.connect(`${url}/metrics`, trusted())).rejects.toThrow('200')
    await expect(RawClient.connect(`${url}/other`, trusted())).rejects.toThrow('404')
  })

  it('takes messages up to the limits, answers larger ones, ends for the largest', async () => {
    const { broker, url } = await start()
    broker.onPut = (frame, answer) => answer(packMessage([0x20, frame.length, null]))
    const client = await RawClient.connect(url, trusted())
    await client.next()
    const sized = (bytes: number) => {
      const frame = new Uint8Array(bytes)
      frame.set(putFrame(5))
      return frame
    }
    client.socket.send(sized(frameBytesMax))
    expect(await client.next()).toEqual([0x20, frameBytesMax, null])
    client.socket.send(sized(frameBytesMax + messageBytesSpare))
    expect((await client.next())[2]).toBe('RECORD_TOO_LARGE')
    client.socket.send(sized(frameBytesMax + messageBytesSpare + 1))
    expect((await client.closed).code).toBe(1009)
  })

  it('cuts off a client that does not read, for no more memory than it may cost', async () => {
    const { broker, logger, url } = await start()
    const answer = new Uint8Array(1000)
    broker.onPut = (_, give) => give(answer)
    const client = await RawClient.connect(url, trusted())
    const bystander = await RawClient.connect(url, trusted())
    await bystander.next()
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    client.socket.pause()
    const frame = putFrame(1)
    const isCut = () => logger.lines.some((it) => it.level === 'warn')
    for (let sent = 0; !isCut() && sent < 100_000; sent += 500) {
      for (let i = 0; i < 500; i += 1) client.socket.send(frame)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(logger.lines.find((it) => it.level === 'warn')?.facts).toMatchObject({ code: 4408 })
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024)
    client.socket.terminate()
    bystander.socket.send(frame)
    expect((await bystander.nextBytes()).length).toBe(1000)
  })

  it('drains: answers what it took, and closes with 1012', async () => {
    const { broker, url, server } = await start()
    broker.onPut = (frame, answer) => broker.puts.push({ bytes: frame.slice(), answer })
    const client = await RawClient.connect(url, trusted())
    await client.next()
    client.socket.send(putFrame(1))
    await expect.poll(() => broker.puts.length).toBe(1)
    const stopped = server.stop()
    await expect
      .poll(() => RawClient.connect(url, trusted()).then(() => 'open', String))
      .toMatch(/ECONNREFUSED|503/)
    broker.puts[0]?.answer(putAnswer(1))
    expect(await client.next()).toEqual([0x20, 1, null, 'disk'])
    expect((await client.closed).code).toBe(1012)
    await stopped
  })

  it('survives those who leave in the middle', async () => {
    const { url, server } = await start()
    for (let i = 0; i < 60; i += 1) {
      const socket = connectTls({ port: server.port, host: '127.0.0.1', ...trusted() })
      socket.on('error', () => undefined)
      if (i % 3 === 0) await once(socket, 'secureConnect')
      socket.write(
        'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n'.slice(0, 5 + i),
      )
      if (i % 2 === 0) socket.end()
      else socket.destroy()
    }
    expect((await askTls(url, '/healthz', trusted())).status).toBe(200)
  })

  it('keeps no connection of an upgrade that it refused, whatever the peer does', async () => {
    const { url, server } = await start()
    const { host } = new URL(url)
    const options = { ...trusted(), port: server.port, host: '127.0.0.1', allowHalfOpen: true }
    const socket = connectTls(options)
    socket.on('error', () => undefined) // the reset that is waited for
    socket.write(
      `GET / HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://evil.example\r\n` +
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    )
    let answer = ''
    socket.setEncoding('utf8').on('data', (part: string) => {
      answer += part
    })
    await once(socket, 'end')
    expect(answer).toMatch(/^HTTP\/1.1 403 /)
    const isGone = () => {
      if (!socket.destroyed) socket.write('x')
      return socket.destroyed
    }
    await expect.poll(isGone, { timeout: 4000 }).toBe(true)
  })

  it('refuses upgrades that are none', async () => {
    const { server, url } = await start()
    const lines = ['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket']
    const socket = connectTls({ port: server.port, host: '127.0.0.1', ...trusted() })
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 426 /)
    socket.destroy()
    expect((await askTls(url, '/metrics', trusted())).text).toMatch(/^millrace_connections 0$/m)
  })
})

describe('what is spoken', () => {
  /** What comes of a handshake that offers only this. */
  async function handshake(port: number, offer: object): Promise<string> {
    const socket = connectTls({ port, host: '127.0.0.1', ...trusted(), ...offer })
    const outcome = await once(socket, 'secureConnect').then(
      () => `${socket.getProtocol()} ${socket.getCipher().name}`,
      (error: NodeJS.ErrnoException) => `refused: ${error.code}`,
    )
    socket.destroy()
    return outcome
  }

  const only = (version: SecureVersion, ciphers?: string) => ({
    minVersion: version,
    maxVersion: version,
    // Node's own OpenSSL offers the old versions at this level alone.
    ciphers: ciphers ?? 'DEFAULT@SECLEVEL=0',
  })

  it.each([
    ['TLS 1.0', only('TLSv1'), /^refused/],
    ['TLS 1.1', only('TLSv1.1'), /^refused/],
    ['TLS 1.2', only('TLSv1.2'), /^TLSv1\.2 ECDHE-ECDSA-AES128-GCM-SHA256$/],
    ['TLS 1.3', only('TLSv1.3'), /^TLSv1\.3 TLS_AES_/],
    ['CBC', only('TLSv1.2', 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0'), /^refused/],
    ['no authentication', only('TLSv1.2', 'aNULL:@SECLEVEL=0'), /^refused/],
    ['no encryption', only('TLSv1.2', 'eNULL:@SECLEVEL=0'), /^refused/],
  ])('%s: %j', async (_, offer, outcome) => {
    const { server } = await start()
    expect(await handshake(server.port, offer)).toMatch(outcome)
  })

  it('with an RSA key: no key exchange without forward secrecy', async () => {
    const rsa = made.authority.issue({ name: 'broker', kind: 'rsa' })
    const { server } = await start(rsa)
    const at = (ciphers: string) => handshake(server.port, only('TLSv1.2', ciphers))
    expect(await at('ECDHE-RSA-AES256-GCM-SHA384')).toMatch(/^TLSv1\.2 ECDHE-RSA/)
    expect(await at('AES128-GCM-SHA256')).toMatch(/^refused/)
    expect(await at('AES128-SHA:@SECLEVEL=0')).toMatch(/^refused/)
  })

  it('openssl agrees', async () => {
    const { server } = await start()
    const at = (version: string) =>
      spawnClient([
        '-connect',
        `127.0.0.1:${server.port}`,
        version,
        '-CAfile',
        made.authority.certFile,
      ])
    expect(await at('-tls1_1')).toMatch(/Cipher is \(NONE\)/)
    expect(await at('-tls1_2')).toMatch(/Protocol *: TLSv1\.2[\s\S]*Verify return code: 0/)
    expect(await at('-tls1_3')).toMatch(/TLSv1\.3[\s\S]*Verify return code: 0/)
  })
})

/** What `openssl s_client` prints. In a process of its own: this one serves. */
async function spawnClient(args: string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.end()
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  return out + err
}

describe('a new certificate', () => {
  it('is taken under load: no connection drops, and none is refused', async () => {
    const own = made.authority.issue({ name: 'own' })
    const { server, url } = await start(own)
    let isOver = false
    const failures: string[] = []
    const putting = Array.from({ length: 20 }, async () => {
      const client = await RawClient.connect(url, trusted())
      client.socket.on('close', (code) => failures.push(`closed ${code}`))
      await client.next()
      let puts = 0
      while (!isOver) {
        client.socket.send(putFrame(1))
        await client.next()
        puts += 1
      }
      client.socket.removeAllListeners('close')
      client.socket.terminate()
      return puts
    })
    let arrivals = 0
    const coming = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        try {
          const client = await RawClient.connect(url, trusted())
          await client.next()
          client.socket.terminate()
          arrivals += 1
        } catch (error) {
          failures.push(String(error))
        }
      }
    })
    const seen = [await shownAt(server.port, trusted())]
    for (let round = 0; round < 3; round += 1) {
      const before = arrivals
      replacePair(own, made.authority.issue({ name: 'own' }))
      await expect
        .poll(() => shownAt(server.port, trusted()), { timeout: 10_000 })
        .not.toBe(seen.at(-1))
      seen.push(await shownAt(server.port, trusted()))
      await expect.poll(() => arrivals, { timeout: 10_000 }).toBeGreaterThan(before)
    }
    isOver = true
    await Promise.all(coming)
    for (const puts of await Promise.all(putting)) expect(puts).toBeGreaterThan(10)
    expect(new Set(seen).size).toBe(4)
    expect(failures).toEqual([])
  })

  it('that is broken changes nothing, and the log says so', async () => {
    const own = made.authority.issue({ name: 'own' })
    const { server, logger } = await start(own)
    const before = await shownAt(server.port, trusted())
    copyFileSync(made.pair.certFile, own.certFile)
    const isTold = () => logger.lines.some((it) => it.text.includes('the old one stays'))
    await expect.poll(isTold, { timeout: 10_000 }).toBe(true)
    expect(await shownAt(server.port, trusted())).toBe(before)
  })
})
