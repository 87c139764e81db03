/**
 * A canary in every place where a secret or what belongs to a client can come in: none of them is
 * found in anything that the program says or shows of itself.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { packMessage } from '../../src/wire/codec.ts'
import {
  AccessFile,
  audience,
  issuer,
  keyRows,
  signJwt,
  tokenFor,
} from '../unit/server/access/access-files.ts'
import {
  runCli,
  type Served,
  serve,
  startCli,
  Transcript,
  temporaryDirectory,
} from './cli-process.ts'
import { RawClient } from './raw-client.ts'
import { bring, makeCertificates } from './tls-port.ts'

const certificates = makeCertificates()
const owner = tokenFor('owner')
const mark = 'CANARY'
const canary = (place: string) => `${mark}-${place}-${randomBytes(12).toString('hex')}`

/** What is said and shown, each with who says it. */
class Heard {
  readonly #texts: (readonly [from: string, text: string])[] = []

  add(from: string, ...texts: readonly unknown[]): void {
    this.#texts.push([from, texts.map(String).join('\n')])
  }

  /**
   * What everybody on the machine can read of a process, and what its user can: of its environment
   * all but what it was `given`.
   */
  process(from: string, pid: number | undefined, given: readonly string[] = []): void {
    for (const file of ['cmdline', 'comm', 'environ', 'status']) {
      const entries = readFileSync(`/proc/${pid}/${file}`, 'latin1').split('\0')
      this.add(`${from}, ${file}`, ...entries.filter((it) => !given.includes(it)))
    }
    expect(statSync(`/proc/${pid}/environ`).mode & 0o077).toBe(0)
  }

  /** Where a secret was heard: the places are what it takes to find out why. */
  found(...secrets: readonly string[]): string[] {
    return this.#texts.flatMap(([from, said]) => {
      const at = secrets.map((it) => said.indexOf(it)).find((it) => it >= 0)
      return at === undefined ? [] : [`${from}: ${said.slice(Math.max(0, at - 80), at + 60)}`]
    })
  }

  get length(): number {
    return this.#texts.length
  }
}

const rights = [{ actions: ['put', 'get', 'subscribe', 'admin'], streams: ['*'] }]

interface Started {
  readonly served: Served
  readonly url: string
  readonly trust: object
  readonly file: AccessFile
  readonly content: object
  readonly environment: Readonly<Record<string, string>>
  readonly pair: { readonly certFile: string; readonly keyFile: string }
}

/** As others can reach it, but for the address: with TLS and an access file, all of it logged. */
async function start(): Promise<Started> {
  const file = new AccessFile({ principals: {}, tokens: [] })
  const keys = await keyRows(file.secretFile)
  const content = {
    principals: { owner: { permissions: rights }, reader: { permissions: [] } },
    tokens: [owner.row],
    jwt: { issuer, audience, keys, revoked: ['taken back'] },
  }
  file.write(content)
  const pair = certificates.authority.issue({ name: 'broker' })
  const tls = ['--tls-cert-file', pair.certFile, '--tls-key-file', pair.keyFile]
  const data = join(temporaryDirectory(), 'data')
  // All tokens are looked at, and nobody who brings none is waited for for long.
  const patience = ['--access-failed-authentications-burst', '1000']
  const haste = ['--access-authentication-millis-max', '1000']
  const access = ['--access-file', file.path, ...patience, ...haste]
  const more = ['--data', data, '--log-level', 'debug', ...access]
  const environment = {
    MILLRACE_URL: `wss://somebody:${canary('password')}@127.0.0.1:1/?token=x`,
    MILLRACE_TOKEN: canary('environment'),
  }
  const served = await serve([...tls, ...more, '--create', 'orders:1'], { environment })
  const trust = bring(certificates.authority)
  return { served, url: served.url, trust, file, content, environment, pair }
}

/** An answer over HTTP, with all of its headers. */
async function ask({ url, trust }: Started, path: string, headers: object): Promise<string> {
  const options = { ...trust, servername: 'localhost', headers: { ...headers } }
  const asked = request(url.replace('wss', 'https') + path, options)
  asked.end()
  const [answer] = await once(asked, 'response')
  return `${answer.statusCode} ${answer.rawHeaders.join(' ')} ${await text(answer)}`
}

/** How a connection is refused: over HTTP, in an answer, in a close, or all of them. */
async function refusal(started: Started, options: Record<string, unknown>, first?: unknown[]) {
  const { subprotocols = ['millrace.v1'], path = '', ...more } = options
  const socket = new WebSocket(started.url + path, subprotocols as string[], {
    ...started.trust,
    ...more,
  })
  const said: string[] = []
  socket.on('error', (error) => said.push(error.message))
  socket.on('unexpected-response', (_, answer) => {
    void text(answer).then((body) => {
      said.push(`${answer.statusCode} ${answer.rawHeaders.join(' ')} ${body}`)
      socket.terminate()
    })
  })
  socket.on('message', (data) => said.push(data.toString('latin1')))
  if (first !== undefined) socket.on('open', () => socket.send(packMessage(first)))
  await new Promise<void>((resolve) => {
    socket.on('close', (code, reason) => {
      said.push(`${code} ${reason}`)
      resolve()
    })
  })
  return said.join(' ')
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** Tokens that are wrong in every way and come in every way, and what else a client can send. */
async function secretsOf(started: Started, heard: Heard): Promise<void> {
  const now = Date.now()
  const claims = { [canary('claim')]: canary('claim'), email: canary('email') }
  const jwt = (more: object) => signJwt({ now, claims: { ...claims, ...more } })
  const header = { alg: 'none', kid: canary('kid') }
  const unsigned = [header, { sub: canary('sub') }]
    .map((it) => Buffer.from(JSON.stringify(it)).toString('base64url'))
    .join('.')
  const wrong = [
    ...[canary('token'), `mrt_owner_${canary('token')}`, `${unsigned}.${canary('signature')}`],
    ...[await jwt({ aud: canary('aud') }), await jwt({ iss: canary('iss') })],
    ...[await jwt({ sub: canary('sub') }), await jwt({ jti: 'taken back' })],
    await signJwt({ now, claims, header: { [canary('header')]: canary('header') }, kid: 'hs' }),
    await signJwt({ now: now - 1e6, claims, kid: 'es' }),
  ]
  for (const token of wrong) {
    heard.add('a header', await refusal(started, bearer(token)))
    const subprotocols = ['millrace.v1', `bearer.${token}`]
    heard.add('a subprotocol', await refusal(started, { subprotocols }))
    heard.add('a first message', await refusal(started, {}, [0x3f, 1, Buffer.from(token)]))
  }
  heard.add('a str for a token', await refusal(started, {}, [0x3f, 1, canary('str')]))
  heard.add('another request', await refusal(started, {}, [0x20, 1, canary('name')]))
  for (const name of ['token', 'access_token', canary('parameter')]) {
    heard.add('a URL', await refusal(started, { path: `/?${name}=${canary('url')}` }))
    heard.add('a page', await ask(started, `/metrics?${name}=${canary('url')}`, {}))
  }
  for (const name of ['authorization', 'cookie', 'referer', 'user-agent', 'x-api-key', 'origin']) {
    const value = name === 'origin' ? `https://u:${canary('origin')}@localhost` : canary(name)
    heard.add(name, await refusal(started, { headers: { [name]: value } }))
    heard.add(name, await ask(started, `/${canary('path')}`, { [name]: value }))
  }
  heard.add('host', await ask(started, '/metrics', { host: `${canary('host')}.example` }))
}

/** What belongs to a client: it may be answered to that one alone. */
async function contentOf({ url, trust }: Started): Promise<readonly unknown[]> {
  const client = await RawClient.connect(url, { ...trust, ...bearer(owner.token) })
  await client.next()
  const record = [canary('key'), Buffer.from(canary('data'))]
  const consumer = 'group'
  const put = await client.ask([0x20, 1, 'orders', null, [record], null, 0, 0])
  const answers = [
    put,
    await client.ask([0x20, 2, 'nowhere', null, [record], null, 0, 0]),
    await client.ask([0x20, 3, 'orders', null, [[canary('key').repeat(20), 'x']], null, 0, 0]),
  ]
  expect(put[2]).toBe(null)
  expect((await client.ask([0x30, 4, 'orders', consumer]))[2]).toBe(null)
  const tags = [[canary('tag'), canary('value')]]
  expect((await client.ask([0x16, 5, 'orders', tags]))[2]).toBe(null)
  expect((await client.ask([0x36, 6, 'orders', consumer, canary('worker'), 1000]))[2]).toBe(null)
  expect((await client.ask([0x30, 7, 'orders', canary('consumer')]))[2]).toBe(null)
  // What cannot be decoded ends the connection, and the log says why.
  client.socket.send(Buffer.from(canary('frame')))
  answers.push(Object.values(await client.closed))
  return answers
}

/** Files that were right become canaries: the broker says that they are wrong, and goes on. */
async function brokenFiles({ served, file, content, pair }: Started): Promise<void> {
  const lines = (words: RegExp) => served.stderr.until((it) => words.test(it))
  file.write(`{"principals": ${canary('access-file')}`)
  await lines(/"level":"error".*access/)
  file.write({ ...content, [canary('field')]: canary('field') })
  writeFileSync(pair.keyFile, `-----BEGIN PRIVATE KEY-----\n${canary('private-key')}\n`)
  await lines(/"level":"error".*(?:certificate|key)/i)
  writeFileSync(file.secretFile, canary('secret-file'), { mode: 0o600 })
  file.write(content)
  const loads = (it: string) => it.split('"audit":"access loaded"').length - 1
  await served.stderr.until((it) => loads(it) > 1)
}

it('no secret is in a log, a metric, an error, a process or what commands show', async () => {
  const heard = new Heard()
  const started = await start()
  await secretsOf(started, heard)
  heard.add('answers', ...(await contentOf(started)))
  const given = Object.entries(started.environment).map((it) => it.join('='))
  heard.process('the broker', started.served.child.pid, given)
  const metrics = await ask(started, '/metrics', bearer(owner.token).headers)
  expect(metrics).toContain('millrace_connections ')
  heard.add('metrics', metrics)
  await brokenFiles(started)
  expect(await started.served.stop()).toBe(0)
  heard.add('the log', started.served.stderr.text)
  expect(heard.length).toBeGreaterThan(50)
  expect(heard.found(mark, owner.token.replace(/^mrt_[^_]*_/, ''))).toEqual([])
})

it('no secret is in what commands show, or in their processes', async () => {
  const heard = new Heard()
  const cwd = temporaryDirectory()
  const tokenFile = join(cwd, 'token')
  writeFileSync(tokenFile, canary('token-file'), { mode: 0o600 })
  const environment = {
    MILLRACE_TOKEN: canary('environment'),
    MILLRACE_URL: `ws://somebody:${canary('password')}@127.0.0.1:1/?token=${canary('url')}`,
  }
  const commands = [
    ...[['doctor'], ['config', 'show'], ['stream', 'list'], ['doctor', '--json']],
    ['stream', 'list', '--token', canary('token')],
    ['stream', 'list', `--token=${canary('token')}`],
    ['serve', `--access-file=${cwd}`, '--listen', '127.0.0.1:0'],
  ]
  for (const args of commands) {
    const ended = await runCli(args, { cwd, environment })
    heard.add(args.join(' ').replace(/CANARY.*/, '...'), ended.stdout, ended.stderr)
  }
  const { url } = await serve(['--ephemeral', '--create', 'orders:1'])
  expect((await runCli(['put', 'orders', '--key', 'a', 'a record', '--url', url])).status).toBe(0)
  const tailed = ['tail', 'orders', '--from', 'oldest', '--url', url]
  const tail = startCli([...tailed, '--token-file', tokenFile], { cwd })
  const [stdout, stderr] = [tail.stdout, tail.stderr].map((it) => {
    return new Transcript(it as NodeJS.ReadableStream)
  }) as [Transcript, Transcript]
  await stdout.until((it) => it.includes('a record'))
  heard.process('tail', tail.pid)
  tail.kill('SIGINT')
  await once(tail, 'close')
  heard.add('tail', stderr.text)
  expect(heard.found(mark)).toEqual([])
})
