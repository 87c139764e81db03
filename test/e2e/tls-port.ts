/** A port that speaks TLS, with a broker that does what the test says, and what clients bring. */

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type Server, type ServerLimits, startServer } from '../../src/server/server.ts'
import type { TlsFiles } from '../../src/server/tls/tls-files.ts'
import { Authority, type Pair } from '../support/certificates.ts'
import { FakeBroker, FakeLogger } from '../unit/server/fakes.ts'
import { putAnswer } from '../unit/server/frames.ts'

/** Made once for a file of tests: an authority, one that nobody trusts, and a broker's pair. */
export interface Certificates {
  readonly dir: string
  readonly authority: Authority
  readonly stranger: Authority
  readonly pair: Pair
}

/** Filled before the first test of the file, removed after the last. */
export function makeCertificates(): Certificates {
  const made = {} as { -readonly [Key in keyof Certificates]: Certificates[Key] }
  beforeAll(() => {
    made.dir = mkdtempSync(join(tmpdir(), 'millrace-tls-'))
    made.authority = new Authority(made.dir, 'authority')
    made.stranger = new Authority(made.dir, 'stranger')
    made.pair = made.authority.issue({ name: 'broker' })
  })
  afterAll(() => rmSync(made.dir, { recursive: true }))
  return made
}

const servers: Server[] = []
/** Stops it after the test. */
export function stopLater(server: Server): void {
  servers.push(server)
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((it) => it.stop()))
})

export async function startTls(tls: TlsFiles, given: Partial<ServerLimits> = {}) {
  const broker = new FakeBroker()
  broker.onPut = (_, answer) => answer(putAnswer(1))
  const logger = new FakeLogger()
  const limits = { drainMillisMax: 500, ...given }
  const server = await startServer({ broker, logger, port: 0, version: '1.2.3', tls, limits })
  stopLater(server)
  return { broker, logger, server, url: server.url }
}

/** What a client has to bring: whom it trusts, and what shows who it is. */
export function bring(
  authority: Authority,
  own?: Pair,
): { ca: string; cert?: string; key?: string } {
  const ca = readFileSync(authority.certFile, 'utf8')
  if (own === undefined) return { ca }
  return { ca, cert: readFileSync(own.certFile, 'utf8'), key: readFileSync(own.keyFile, 'utf8') }
}

export async function askTls(url: string, path: string, options: object) {
  const request = get(url.replace('wss', 'https') + path, { ...options, agent: false })
  const [response] = await once(request, 'response')
  return { status: response.statusCode as number, text: await text(response) }
}

/** The fingerprint of the certificate that a new connection is shown. */
export async function shownAt(port: number, options: object): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', ...options })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}
