// The broker that is measured: the compiled package in a process of its own, which serves until its
// input ends, and puts records itself when it is told to. Prints its port as JSON.
//
//   node broker-server.mjs DIST DIR OPTIONS
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { heldKibibytes } from '../micro/held-memory.mjs'
import { serveCommands } from './commands.mjs'
import { ObservedBroker } from './producer.mjs'

const [dist, dir, given] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(join(resolve(dist), path)).href)
const { Broker } = await load('broker/broker.js')
const { startServer } = await load('server/server.js')
const { newToken, tokenHash } = await load('server/access/static-token.js')

const { logOptions, limits = {}, shardLimits, readLimits, keyId } = JSON.parse(given)
const keyFile = keyId === undefined ? undefined : `${dir}.keys`
if (keyFile !== undefined) {
  writeFileSync(keyFile, `${keyId} ${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
}
// A bench measures the shards that it has made.
const scaling = { disabled: true }
const broker = await Broker.open({ dir, logOptions, shardLimits, readLimits, scaling, keyFile })
const observed = new ObservedBroker(broker)
const logger = pino({ level: 'warn' }, pino.destination(2))
const options = { broker: observed, host: '127.0.0.1', port: 0, logger, limits, version: 'bench' }
const server = await startServer(options)

/** The same broker at another port, where it asks who its clients are. */
async function askWho() {
  const token = newToken('bench')
  const sha256 = tokenHash(token).toString('hex')
  // Limits that no load reaches: what is measured is what it costs to look at them.
  const rates = { requestsPerSecond: 2 ** 40, bytesPerSecond: 2 ** 40 }
  const permissions = [{ actions: ['put', 'get'], streams: ['bench-*'] }]
  const principals = { bench: { permissions, limits: rates } }
  const accessFile = `${dir}.access.json`
  const rules = { principals, tokens: [{ id: 'bench', sha256, principal: 'bench' }] }
  writeFileSync(accessFile, JSON.stringify(rules), { mode: 0o600 })
  const own = { connectionRequestsPerSecond: 2 ** 40, connectionBytesPerSecond: 2 ** 40 }
  asking = await startServer({ ...options, accessFile, limits: { ...limits, ...own } })
  return { port: asking.port, token }
}
let asking

/** The same broker at another port, over TLS, with a certificate of its own that is its authority. */
async function speakTls() {
  const [certFile, keyFile] = [`${dir}.pem`, `${dir}.key`]
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const files = ['-keyout', keyFile, '-out', certFile]
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...made, ...files, ...names], { stdio: 'ignore' })
  chmodSync(keyFile, 0o600)
  secret = await startServer({ ...options, tls: { certFile, keyFile } })
  return { port: secret.port, ca: readFileSync(certFile, 'utf8') }
}
let secret

await serveCommands(
  server.port,
  {
    putAhead: (command) => observed.putAhead(command),
    fill: (command) => observed.fill(command),
    askWho,
    speakTls,
    memory: async () => ({ heldKibibytes: await heldKibibytes() }),
  },
  async () => {
    await asking?.stop()
    await secret?.stop()
    await server.stop()
    await broker.close()
  },
)
