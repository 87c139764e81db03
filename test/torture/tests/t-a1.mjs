// Every kind of principal asks for every operation on every stream, with every kind of token; then
// the permissions change places under the connections that are open, and all is asked again.
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import {
  AUTHENTICATE,
  EXISTING,
  hasAny,
  isAllowed,
  KINDS,
  LIST_STREAMS,
  OPERATIONS,
  STREAMS,
  UNBOUND,
} from '../broker/access-matrix.mjs'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { TokenIssuer } from '../broker/token-issuer.mjs'
import { createStream, WireClient } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const names = Object.keys(KINDS)
const CELLS_MIN = 2000
// What the broker promises.
const CHANGE_MILLIS = 1000

// The one line that the broker does not write itself: README says of it when it comes.
const LIBRARY_WARNING = 'Warning: uWS.HttpResponse writes must be made'

const secret = () => randomBytes(32).toString('base64url')
const tokenOf = (id) => `mrt_${id}_${secret()}`
const sha256 = (token) => createHash('sha256').update(token).digest('hex')

function rules(permissionsOf, tokens, jwt) {
  const principals = Object.fromEntries(
    names.map((name, index) => [
      name,
      { permissions: permissionsOf(index).map(([actions, streams]) => ({ actions, streams })) },
    ]),
  )
  principals.owner = {
    permissions: [{ actions: ['put', 'get', 'subscribe', 'admin'], streams: ['*'] }],
  }
  return JSON.stringify({ principals, tokens, jwt })
}

const row = (principal, token, more = {}) => ({
  id: token.split('_')[1],
  sha256: sha256(token),
  principal,
  ...more,
})

const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } })
const codeOf = (error) => {
  if (error.code === undefined) throw error
  return error
}

class Matrix {
  cells = 0
  #failures = []
  // Everything that the broker has said, to be searched for secrets.
  said = []

  check(what, isRight) {
    this.cells += 1
    if (!isRight) this.#failures.push(what)
  }

  finish() {
    if (this.#failures.length === 0) return
    const shown = this.#failures.slice(0, 10).join('\n')
    throw new TortureFailure(`${this.#failures.length} of ${this.cells} cells are wrong:\n${shown}`)
  }

  // Answers the code of an error, or null.
  async ask(client, opcode, fields) {
    const answer = await client.ask(opcode, ...fields).catch(codeOf)
    if (!(answer instanceof Error)) return { code: null, fields: answer }
    this.said.push(answer.message)
    return { code: answer.code, message: answer.message }
  }

  async cellsOf(client, name, permissions, found, phase) {
    for (const [opcode, wanted, request] of OPERATIONS) {
      const denials = new Map()
      for (const stream of STREAMS) {
        const fields = request(stream, found.get(stream))
        // There is no iterator and no token of a stream that does not exist.
        if (fields === undefined) continue
        const { code, message } = await this.ask(client, opcode, fields)
        const expected = isAllowed(permissions, wanted, stream)
        const what = `${phase}: ${name}, 0x${opcode.toString(16)} on ${stream}: ${code}`
        this.check(what, (code !== 'ACCESS_DENIED') === expected && code !== 'INTERNAL')
        if (code === 'ACCESS_DENIED') denials.set(stream, message.replaceAll(stream, '*'))
      }
      if (new Set(denials.values()).size > 1) {
        throw new TortureFailure(`denials of 0x${opcode.toString(16)} tell streams apart`)
      }
    }
    await this.#unbound(client, name, permissions, phase)
  }

  async #unbound(client, name, permissions, phase) {
    for (const [opcode, request] of UNBOUND) {
      const { code, fields } = await this.ask(client, opcode, request())
      const what = `${phase}: ${name}, 0x${opcode.toString(16)}: ${code}`
      this.check(what, (code !== 'ACCESS_DENIED') === hasAny(permissions))
      if (opcode !== LIST_STREAMS || code !== null) continue
      const listed = fields[0].map(([stream]) => stream)
      const seen = STREAMS.filter((it) =>
        isAllowed(permissions, ['put', 'get', 'subscribe', 'admin'], it),
      )
      const strays = listed.filter((it) => !seen.includes(it))
      const missing = EXISTING.filter((it) => seen.includes(it) && !listed.includes(it))
      this.check(`${what}: lists ${strays}, not ${missing}`, strays.length + missing.length === 0)
    }
  }
}

// Streams with two shards and two consumers each, and what only their owner can be given.
async function prepare(url, token) {
  const owner = await WireClient.connect(url, bearer(token))
  const found = new Map()
  for (const stream of EXISTING) {
    await createStream(owner, stream, 2)
    for (const name of ['someone', 'other']) await owner.ask(0x30, stream, name)
    const [iterator] = await owner.ask(0x22, stream, '0', 'LATEST')
    const [, shardsToken] = await owner.ask(0x15, stream, null, null, 1)
    const [, consumersToken] = await owner.ask(0x32, stream, null, 1)
    found.set(stream, { iterator, shardsToken, consumersToken })
  }
  owner.close()
  return found
}

// The ways in which a token comes; each answers a client, or the code with which it was refused.
const WAYS = {
  async header(url, token, more) {
    return await WireClient.connect(url, { ...bearer(token), ...more })
  },
  async subprotocol(url, token, more) {
    return await WireClient.connect(url, {
      subprotocols: ['millrace.v1', `bearer.${token}`],
      ...more,
    })
  },
  async message(url, token, more) {
    const client = await WireClient.connect(url, more)
    await client.ask(AUTHENTICATE, Buffer.from(token))
    return client
  },
}

let addresses = 0
// Failures are counted by address: one each.
const nextAddress = () => {
  addresses += 1
  return { localAddress: `127.1.${addresses >> 8}.${addresses & 255}` }
}

async function tokenStates(matrix, url, tokens, states) {
  for (const [way, open] of Object.entries(WAYS)) {
    for (const name of names) {
      const client = await open(url, tokens.get(name), {})
      const { code } = await matrix.ask(client, 0x26, [])
      matrix.check(`${way}, ${name}: ${code}`, (code === null) === hasAny(KINDS[name]))
      client.close()
    }
    for (const [state, token] of Object.entries(states)) {
      const client = await open(url, token, nextAddress()).catch((error) => error)
      const isRefused = client instanceof Error
      if (isRefused) matrix.said.push(client.message)
      else client.close()
      matrix.check(`${way}, ${state} token: let in`, isRefused)
    }
  }
}

// JSON Web Tokens of the one who may do everything, each with one thing wrong.
function wrongSigned(issuer, right) {
  const forMaster = (more) => issuer.token('master', more)
  const [header, claims] = right.split('.')
  const unsigned = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  return {
    'expired signed': forMaster({ bySecondsAgo: 7200 }),
    'early signed': forMaster({ bySecondsAgo: -7200 }),
    'for another audience': forMaster({ claims: { aud: 'other' } }),
    'of another issuer': forMaster({ claims: { iss: 'https://other.example' } }),
    'without an end': forMaster({ claims: { exp: undefined } }),
    'with another kid': forMaster({ header: { kid: 'other' } }),
    'with another algorithm': forMaster({ header: { alg: 'HS256' } }),
    unsigned: `${unsigned}.${claims}.`,
    'signed by another': new TokenIssuer().token('master'),
    "with another's signature": `${header}.${claims}.${issuer.token('keeper').split('.')[2]}`,
    'of somebody unknown': issuer.token('somebody-unknown'),
  }
}

async function withoutToken(matrix, url) {
  const operations = [...OPERATIONS.map(([opcode, , request]) => [opcode, request]), ...UNBOUND]
  for (const [opcode, request] of operations) {
    const fields = request('orders', { iterator: 'x', shardsToken: 'x', consumersToken: 'x' })
    const client = await WireClient.connect(url)
    const { code } = await matrix.ask(client, opcode, fields)
    matrix.check(`no token, 0x${opcode.toString(16)}: ${code}`, code === 'UNAUTHENTICATED')
    matrix.check(`no token, 0x${opcode.toString(16)}: open`, (await client.closed) === 4504)
  }
}

// A canary wherever somebody could put a secret by mistake.
async function canaries(matrix, url, canary) {
  const http = url.replace('ws:', 'http:')
  const asked = [
    [`/?token=${canary}`, {}],
    [`/metrics?access_token=${canary}`, {}],
    ['/metrics', { authorization: `Basic ${canary}` }],
    ['/metrics', { authorization: `Bearer ${canary}` }],
    [`/${canary}`, { cookie: canary, authorization: canary }],
  ]
  for (const [path, headers] of asked) {
    const answer = await fetch(`${http}${path}`, { headers })
    matrix.said.push(await answer.text(), ...[...answer.headers].flat())
    matrix.check(`${path}: ${answer.status}`, answer.status >= 400)
  }
  const header = Buffer.from(JSON.stringify({ alg: 'none', kid: canary })).toString('base64url')
  for (const token of [canary, `mrt_${canary}_${canary}`, `${header}.${header}.${canary}`]) {
    for (const open of Object.values(WAYS)) {
      const refused = await open(url, token, nextAddress()).catch((error) => error)
      matrix.check('a canary is a token', refused instanceof Error)
      matrix.said.push(String(refused.message))
    }
  }
  const wrongType = await WireClient.connect(url, nextAddress())
  const { code } = await matrix.ask(wrongType, AUTHENTICATE, [canary])
  matrix.check(`a str for a token: ${code}`, code !== null)
}

async function runTest(context) {
  const { directory, random } = context
  const path = join(directory, 'access.json')
  const tokens = new Map([...names, 'owner'].map((name) => [name, tokenOf(name)]))
  const issuer = new TokenIssuer()
  const signed = new Map(names.map((name) => [name, issuer.token(name)]))
  const rows = [...tokens].map(([name, token]) => row(name, token))
  const expired = tokenOf('expired')
  const past = row('master', expired, { expires: '2020-01-01T00:00:00Z' })
  const write = (shift) =>
    writeFileSync(
      path,
      rules((at) => KINDS[names[(at + shift) % names.length]], [...rows, past], issuer.rules),
      {
        mode: 0o600,
      },
    )
  write(0)
  const matrix = new Matrix()
  const more = ['--access-file', path]
  const port = await freePort(random)
  const broker = new BrokerProcess(join(directory, 'data'), port, {
    more,
    seen: (line) => matrix.said.push(line),
  })
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const found = await prepare(url, tokens.get('owner'))

  // Of each principal one by a static token and one by a JSON Web Token.
  const clients = []
  for (const [kind, ofKind] of [
    ['token', tokens],
    ['JWT', signed],
  ]) {
    for (const [at, name] of names.entries()) {
      const client = await WireClient.connect(url, bearer(ofKind.get(name)))
      clients.push({ at, name: `${name} by ${kind}`, client })
    }
  }
  const phase = async (title, permissionsOf) => {
    for (const { at, name, client } of clients) {
      await matrix.cellsOf(client, name, permissionsOf(at), found, title)
      context.progress(Math.min(matrix.cells, context.count))
    }
  }
  await phase('at first', (at) => KINDS[names[at]])
  const wrong = tokenOf('master')
  await tokenStates(matrix, url, tokens, {
    wrong,
    expired,
    truncated: tokens.get('master').slice(0, -1),
    longer: `${tokens.get('master')}A`,
    'of another id': tokens.get('master').replace('mrt_master_', 'mrt_keeper_'),
  })
  await tokenStates(matrix, url, signed, wrongSigned(issuer, signed.get('master')))
  await withoutToken(matrix, url)
  const canary = `CANARY-${secret()}`
  await canaries(matrix, url, canary)
  write(1)
  await wait(CHANGE_MILLIS)
  await phase('changed', (at) => KINDS[names[(at + 1) % names.length]])
  const metrics = await fetch(`${url.replace('ws:', 'http:')}/metrics`, bearer(tokens.get('owner')))
  matrix.said.push(await metrics.text())

  for (const { client } of clients) client.close()
  const status = await broker.stop()
  matrix.finish()
  const secrets = [canary, expired, wrong, ...tokens.values()].map((it) =>
    it.replace(/^mrt_[^_]*_/, ''),
  )
  secrets.push(...[...signed.values()].map((it) => it.split('.')[2]))
  const told = matrix.said.filter((text) => secrets.some((it) => text.includes(it)))
  if (told.length > 0) throw new TortureFailure(`a secret was told: ${told[0].slice(0, 200)}`)
  const complaints = broker.complaints.filter((it) => !it.startsWith(LIBRARY_WARNING))
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  if (matrix.cells < CELLS_MIN) throw new TortureFailure(`${matrix.cells} cells are too few`)
  return {
    trials: matrix.cells,
    note: `${names.length} kinds of principals, ${matrix.said.length} texts without a secret`,
  }
}

export const tests = [
  {
    id: 'T-A1',
    title: 'who may do what: every principal, operation, stream and state of a token',
    unit: 'cells',
    counts: { ci: CELLS_MIN, full: CELLS_MIN },
    skip: needBuild,
    run: runTest,
  },
]
