/** The twelve points in which a broker is safe as it comes, each with what proves it. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { get } from 'node:http'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { connect } from '../../src/client/node.ts'
import * as limits from '../../src/limits.ts'
import { binaryPath } from '../../src/server/uws-binary.ts'
import { hardened } from '../support/hardened.ts'
import { documented } from '../tidy/documented-limits.ts'
import { AccessFile, tokenFor } from '../unit/server/access/access-files.ts'
import {
  jsonLines,
  lastingPort,
  program,
  runCli,
  type Served,
  serve,
  temporaryDirectory,
} from './cli-process.ts'
import { askTls, bring, makeCertificates } from './tls-port.ts'
import { serveTraced } from './traced-broker.ts'

const isRoot = process.getuid?.() === 0
/** The least of rights on every Linux. */
const nobody = 65_534

const certificates = makeCertificates()
const owner = tokenFor('owner')

/** What others can reach needs. */
function protection(): string[] {
  const permissions = [{ actions: ['put'], streams: ['*'] }]
  const rules = new AccessFile({ principals: { owner: { permissions } }, tokens: [owner.row] })
  const { certFile, keyFile } = certificates.pair
  return ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--access-file', rules.path]
}

/** Asks a broker with any headers, as `fetch` does not. */
async function ask(url: string, headers: Record<string, string> = {}) {
  const request = get(url.replace(/^ws/, 'http'), { headers })
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream & typeof answer]
  const answer = { statusCode: 0 }
  let text = ''
  for await (const part of response) text += part
  return { status: response.statusCode, text }
}

/** A start that must not succeed, and must leave nothing behind. */
async function refusedStart(args: readonly string[], environment: Record<string, string> = {}) {
  const cwd = temporaryDirectory()
  const ended = await runCli(['serve', ...args], { cwd, environment })
  expect(readdirSync(cwd)).toEqual([])
  return ended
}

describe('1: loopback alone', () => {
  it.each([
    '0.0.0.0:0',
    '[::]:0',
    '[::ffff:0.0.0.0]:0',
    '[0:0:0:0:0:0:0:0]:0',
    '192.0.2.1:0',
    '[2001:db8::1]:0',
    '[fe80::1]:0',
    'example.org:0',
    'ip6-allnodes:0',
    '127.0.0.1.example.org:0',
    '0:0',
    '2130706434:0',
  ])('--listen %s is refused with 78', async (listen) => {
    const { status, stderr } = await refusedStart(['--listen', listen])
    expect(stderr).toMatch(
      /^error: UNSAFE_ADDRESS: .*--insecure-no-auth --insecure-no-tls\nhint: .*127\.0\.0\.1/,
    )
    expect(status).toBe(78)
  })

  it('each switch accepts one risk, and the log repeats it', async () => {
    for (const one of ['--insecure-no-auth', '--insecure-no-tls']) {
      expect((await refusedStart(['--listen', '0.0.0.0:0', one])).status).toBe(78)
    }
    const both = ['--insecure-no-auth', '--insecure-no-tls']
    const served = await serve(['--listen', '0.0.0.0:0', '--ephemeral', ...both])
    const warnings = jsonLines(served.stderr.text).filter((it) => it['level'] === 'warn')
    const texts = warnings.map((it) => it['msg'] as string)
    expect(texts).toContainEqual(expect.stringMatching(/^INSECURE: .*can read and write/))
    expect(texts).toContainEqual(expect.stringMatching(/^INSECURE: anybody on the way/))
    expect(await served.stop()).toBe(0)
  })

  it('127.0.0.1 is the default', async () => {
    const { stdout } = await runCli(['config', 'defaults'])
    expect(JSON.parse(stdout)).toMatchObject({ listen: '127.0.0.1:4570', adminListen: '' })
  })
})

it('2: Host and Origin are checked on loopback and for metrics, too', async () => {
  const { url } = await serve(['--ephemeral'])
  const local = { host: 'localhost' }
  for (const path of ['/metrics', '/healthz', '/readyz', '/']) {
    expect((await ask(url + path, { host: 'evil.example' })).status).toBe(403)
    expect((await ask(url + path, { ...local, origin: 'http://evil.example' })).status).toBe(403)
    expect((await ask(url + path, { ...local, origin: 'null' })).status).toBe(403)
    expect((await ask(url + path, { ...local, origin: 'http://localhost:1' })).status).toBe(403)
  }
  expect((await ask(`${url}/metrics`, local)).status).toBe(200)
})

it('3: port and data directory are its own', async () => {
  const data = join(temporaryDirectory(), 'data')
  const { port } = await serve(['--data', data])
  const other = join(temporaryDirectory(), 'data')
  const samePort = await runCli(['serve', '--data', other, '--listen', `127.0.0.1:${port}`])
  expect(samePort.stderr).toMatch(/^error: ADDRESS_UNAVAILABLE/)
  expect(samePort.status).toBe(5)
  const sameData = await runCli(['serve', '--data', data, '--listen', '127.0.0.1:0'])
  expect(sameData.stderr).toMatch(/^error: LOG_LOCKED/)
  expect(sameData.status).toBe(5)
})

it('3: of several that start at once, one has the port', async () => {
  const listen = ['--listen', `127.0.0.1:${await lastingPort()}`]
  const starts = await Promise.allSettled(
    Array.from({ length: 4 }, () =>
      serve(['--data', join(temporaryDirectory(), 'data'), ...listen]),
    ),
  )
  for (const it of starts) if (it.status === 'fulfilled') await it.value.stop()
  const refused = starts.flatMap((it) => (it.status === 'rejected' ? [String(it.reason)] : []))
  expect(refused).toHaveLength(3)
  for (const reason of refused) expect(reason).toContain('ADDRESS_UNAVAILABLE')
})

describe('4: an ordinary user', () => {
  const none = { MILLRACE_INSECURE_RUN_AS_ROOT: 'false' }
  // Anybody is root in a user namespace of their own.
  const inside = isRoot ? [] : ['unshare', '--user', '--map-root-user']
  const canBeRoot = isRoot || spawnSync('unshare', [...inside.slice(1), 'true']).status === 0
  if (!canBeRoot) console.log('skipped: nobody can be root here, as user namespaces are forbidden')

  it.runIf(canBeRoot)('root is refused with 78, and told what to do', async () => {
    const args = ['serve', '--listen', '127.0.0.1:0']
    const cwd = temporaryDirectory()
    const { status, stderr } = await runCli(args, { cwd, environment: none, inside })
    expect(readdirSync(cwd)).toEqual([])
    expect(stderr).toMatch(/^error: ROOT_REFUSED: .*as root/)
    expect(stderr).toMatch(/^hint: .*--run-as USER:GROUP.*--insecure-run-as-root/m)
    expect(status).toBe(78)
  })

  it.runIf(canBeRoot)('with the switch it starts, and the log says so', async () => {
    const args = ['--ephemeral', '--insecure-run-as-root']
    const served = await serve(args, { environment: none, inside })
    expect(served.stderr.text).toContain('INSECURE: this broker has rights of root')
    expect(await served.stop()).toBe(0)
  })

  if (!isRoot) console.log('skipped: --run-as, which needs root outside of a user namespace')
  it.runIf(isRoot)('with --run-as it becomes another, without capabilities', async (test) => {
    if (!(await canRead(program))) {
      console.log(`skipped: --run-as, as user ${nobody} cannot read this checkout`)
      test.skip()
    }
    const home = temporaryDirectory()
    chownSync(home, nobody, nobody)
    const data = join(home, 'data')
    const args = ['--run-as', `${nobody}:${nobody}`, '--data', data, '--create', 'orders:1']
    const served = await serve(args, { environment: none })
    for (const status of threadsOf(served)) {
      expect(status).toMatch(new RegExp(`^Uid:\\s+${nobody}\\s+${nobody}\\s+${nobody}\\s`, 'm'))
      expect(status).toMatch(new RegExp(`^Gid:\\s+${nobody}\\s+${nobody}\\s+${nobody}\\s`, 'm'))
      expect(status).toMatch(/^Groups:\s*$/m)
      expect(status).toMatch(/^CapEff:\s+0+$/m)
      expect(status).toMatch(/^CapPrm:\s+0+$/m)
    }
    expect(statSync(data).uid).toBe(nobody)
    const put = await runCli(['put', 'orders', '--key', 'a', 'x', '--url', served.url])
    expect(put.status).toBe(0)
    expect(await served.stop()).toBe(0)
  })

  it('a user that does not exist is a wrong setting', async () => {
    const { status, stderr } = await refusedStart(['--run-as', 'no-such-user-here'], none)
    expect(stderr).toMatch(/^error: CONFIGURATION_INVALID: runAs is "no-such-user-here"/)
    expect(status).toBe(2)
  })
})

/** Whether somebody without rights could start this program. */
async function canRead(path: string): Promise<boolean> {
  const child = spawn(process.execPath, ['--check', path], {
    uid: nobody,
    gid: nobody,
    stdio: 'ignore',
  })
  const [status] = await Promise.race([once(child, 'exit'), once(child, 'error')])
  return status === 0
}

function threadsOf({ child }: Served): string[] {
  const threads = `/proc/${child.pid}/task`
  return readdirSync(threads).map((id) => readFileSync(`${threads}/${id}/status`, 'utf8'))
}

describe('5: files for its user alone', () => {
  it('every file that it makes is 0600, every directory 0700', async () => {
    const home = temporaryDirectory()
    const data = join(home, 'parent', 'data')
    const served = await serve(['--data', data, '--create', 'orders:2'])
    await runCli(['put', 'orders', '--key', 'a', 'x', '--url', served.url])
    await served.stop()
    const names = readdirSync(home, { recursive: true, encoding: 'utf8' })
    const modes = names.map((name) => {
      const { mode } = statSync(join(home, name))
      return [name, (mode & 0o7777).toString(8), (mode & 0o40000) !== 0 ? '700' : '600']
    })
    expect(modes.length).toBeGreaterThan(5)
    expect(modes.filter(([, mode, wanted]) => mode !== wanted)).toEqual([])
  })

  it.each([0o640, 0o604, 0o620])('a key file of mode %o is refused', async (mode) => {
    const cwd = temporaryDirectory()
    const file = join(cwd, 'keys')
    expect((await runCli(['key', 'new', 'a', '--key-file', file])).status).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    chmodSync(file, mode)
    const args = ['serve', '--listen', '127.0.0.1:0', '--key-file', file]
    const { status, stderr } = await runCli(args, { cwd })
    expect(stderr).toMatch(/^error: KEY_FILE_REFUSED: .*chmod 600/)
    expect(status).toBe(4)
  })
})

it('6: no credentials come with the package', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    files: string[]
  }
  const published = files
    .filter((it) => !it.startsWith('!'))
    .flatMap((it) => filesBelow(join(root, it)))
  expect(published.length).toBeGreaterThan(100)
  const secret = /-----BEGIN [A-Z ]*PRIVATE KEY-----|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}/
  expect(published.filter((it) => secret.test(readFileSync(it, 'latin1')))).toEqual([])
  expect(published.filter((it) => /\.(?:pem|key|p12|jks)$/.test(it))).toEqual([])
})

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' })
  return names.map((it) => join(path, it)).filter((it) => statSync(it).isFile())
}

describe('7: one port, and metrics for operators', () => {
  it('metrics can have a port of their own, which has no records', async () => {
    const served = await serve(['--ephemeral', '--admin-listen', '127.0.0.1:0'])
    const admin = served.facts['adminUrl'] as string
    expect((await ask(`${admin}/metrics`)).text).toContain('millrace_connections 0\n')
    expect((await ask(`${admin}/readyz`)).text).toBe('ready\n')
    expect((await ask(`${admin}/metrics`, { host: 'evil.example' })).status).toBe(403)
    expect((await ask(`${served.url}/metrics`)).status).toBe(404)
    expect((await ask(`${served.url}/healthz`)).text).toBe('ok\n')
    const asSocket = connect(admin.replace('http', 'ws'), { reconnect: false })
    await expect(asSocket).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION' })
    expect(await served.stop()).toBe(0)
  })

  it('off loopback the admin port is refused', async () => {
    const args = ['--listen', '127.0.0.1:0', '--admin-listen', '0.0.0.0:0']
    const { status, stderr } = await refusedStart(args)
    expect(stderr).toMatch(/^error: UNSAFE_ADDRESS: adminListen: /)
    expect(status).toBe(78)
  })
})

it('8: the limits that README states are those that are on', async () => {
  const rows = documented()
  expect(rows.length).toBeGreaterThan(10)
  expect(limits).toMatchObject(Object.fromEntries(rows))
  const { url } = await serve(['--ephemeral', '--create', 'orders:1'])
  const client = await connect(url)
  const tooLarge = { key: 'a', data: new Uint8Array(limits.recordBytesMaxDefault + 1) }
  await expect(client.put('orders', tooLarge)).rejects.toMatchObject({ code: 'RECORD_TOO_LARGE' })
  await client.close()
})

it('9: WebSocket compression is off, also for those who ask for it', async () => {
  const { url } = await serve(['--ephemeral'])
  const socket = new WebSocket(url, 'millrace.v1', { perMessageDeflate: true })
  await once(socket, 'open')
  expect(socket.extensions).toBe('')
  socket.terminate()
})

describe('10: nothing from outside is run, and nobody is called', () => {
  it('this broker, all others of the tests and the tests run where no text is code', async () => {
    expect(() => Reflect.construct(Function, ['return 1'])).toThrow(EvalError)
    expect('__proto__' in Object.prototype).toBe(false)
    const served = await serve(['--ephemeral', '--create', 'orders:1'])
    const environment = readFileSync(`/proc/${served.child.pid}/environ`, 'utf8').split('\0')
    expect(environment).toContain(`NODE_OPTIONS=${hardened.join(' ')}`)
    const put = await runCli(['put', 'orders', '--key', 'a', 'x', '--url', served.url])
    expect(put.stderr).toBe('')
    expect((await ask(`${served.url}/metrics`)).status).toBe(200)
    expect(await served.stop()).toBe(0)
  })

  it('it loads its own addon and the binary whose sum is known, and no other', async () => {
    const served = await serve(['--ephemeral', '--create', 'orders:1'])
    const client = await connect(served.url)
    await client.put('orders', { key: 'a', data: Buffer.from('x') })
    const maps = readFileSync(`/proc/${served.child.pid}/maps`, 'utf8')
    const loaded = new Set(Array.from(maps.matchAll(/\/([^/\n]+\.node)$/gm), (it) => it[1]))
    expect([...loaded].toSorted()).toEqual(['millrace.node', basename(binaryPath())])
    await client.close()
  })

  it.for([
    ['as it comes', false],
    ['with TLS and an access file', true],
  ] as const)('it starts no program and connects to nobody, %s', async ([, isProtected], test) => {
    const data = join(temporaryDirectory(), 'data')
    const more = ['--data', data, '--create', 'orders:1', ...(isProtected ? protection() : [])]
    const served = await serveTraced(['execve', 'execveat', 'connect'], more)
    if (typeof served === 'string') {
      console.log(`skipped: what a broker starts, as strace cannot trace here: ${served}`)
      return test.skip()
    }
    const { url } = served
    const tls = isProtected ? bring(certificates.authority) : {}
    const client = await connect(url, isProtected ? { tls, token: owner.token } : {})
    await client.put('orders', { key: 'a', data: Buffer.from('x') })
    await client.close()
    const asked = isProtected ? askTls(url, '/metrics', tls) : ask(`${url}/metrics`)
    expect((await asked).status).toBe(isProtected ? 401 : 200)
    // The first is the start of the broker itself.
    const [first, ...others] = await served.stop()
    expect(first).toContain('execve(')
    expect(others.filter((it) => /\bexecve/.test(it))).toEqual([])
    expect(others.filter((it) => /\bconnect\(/.test(it))).toEqual([])
  })
})

it('11: an acknowledgement is durable, and names what it is', async () => {
  const data = join(temporaryDirectory(), 'data')
  const { url } = await serve(['--data', data, '--create', 'orders:1'])
  const client = await connect(url)
  const record = { key: 'a', data: Buffer.from('x') }
  expect((await client.put('orders', record)).durability).toBe('disk')
  expect((await client.put('orders', record, { durability: 'disk' })).durability).toBe('disk')
  expect((await client.put('orders', record, { durability: 'os' })).durability).toBe('os')
  await client.close()
  const ephemeral = await serve(['--ephemeral', '--create', 'orders:1'])
  const other = await connect(ephemeral.url)
  expect((await other.put('orders', record, { durability: 'disk' })).durability).toBe('os')
  await other.close()
})

it('12: the line of a start has version and configuration, and no secret', async () => {
  const canary = 'Zk9-canary-5fQx'
  const environment = { MILLRACE_URL: `ws://somebody:${canary}@127.0.0.1:1/?token=${canary}` }
  const served = await serve(['--ephemeral'], { environment })
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string }
  expect(served.facts).toMatchObject({
    version,
    configuration: expect.stringMatching(/^[0-9a-f]{12}$/),
  })
  const other = await serve(['--ephemeral', '--log-level', 'debug'], { environment })
  expect(other.facts['configuration']).not.toBe(served.facts['configuration'])
  expect(served.stderr.text + other.stderr.text).not.toContain(canary)
})
