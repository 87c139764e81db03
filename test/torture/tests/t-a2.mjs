// Floods of several kinds from an address of their own, while a client elsewhere keeps its pace.

import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { LATE_MILLIS, pace, runFlood } from '../broker/floods.mjs'
import { lateText, loopDelayOf, percentile } from '../broker/resources.mjs'
import { createStream, WireClient } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const KINDS = ['connect', 'token', 'slowloris', 'subscribe', 'tenant']
const SHARE_MIN = 0.95
const TENANT_RATE = 200

const tokenOf = (id) => `mrt_${id}_${randomBytes(32).toString('base64url')}`

function accessFile(path, tokens) {
  const permissions = [{ actions: ['put', 'subscribe', 'admin'], streams: ['*'] }]
  const content = {
    principals: {
      steady: { permissions },
      subscribe: { permissions },
      tenant: { permissions, limits: { requestsPerSecond: TENANT_RATE } },
    },
    tokens: [...tokens].map(([id, token]) => ({
      id,
      sha256: createHash('sha256').update(token).digest('hex'),
      principal: id,
    })),
  }
  writeFileSync(path, JSON.stringify(content), { mode: 0o600 })
}

async function runTest(context) {
  const { directory, count, random } = context
  const tokens = new Map(['steady', 'subscribe', 'tenant'].map((id) => [id, tokenOf(id)]))
  const path = join(directory, 'access.json')
  accessFile(path, tokens)
  const port = await freePort(random)
  const more = ['--access-file', path]
  const broker = new BrokerProcess(join(directory, 'data'), port, { more })
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const headers = { authorization: `Bearer ${tokens.get('steady')}` }
  const client = await WireClient.connect(url, { headers })
  await createStream(client, 'orders', 1)

  const millis = (count * 1000) / KINDS.length
  const notes = []
  for (const [at, kind] of KINDS.entries()) {
    const localAddress = `127.0.0.${at + 2}`
    const flood = { kind, port, localAddress, millis, token: tokens.get(kind) }
    const [{ done }, { put, latencies }] = await Promise.all([
      runFlood(flood),
      pace(client, 'orders', millis),
    ])
    const share = latencies.filter((it) => it <= LATE_MILLIS).length / put
    const p999 = percentile(latencies, 0.999)
    const perSecond = Math.round((done * 1000) / millis)
    notes.push(`${kind} ${perSecond}/s: ${Math.round(share * 100)} %, p99.9 ${Math.round(p999)} ms`)
    if (share < SHARE_MIN)
      throw new TortureFailure(`others kept their pace too little: ${notes.at(-1)}`)
    context.progress(Math.round(((at + 1) * count) / KINDS.length))
  }
  const late = await loopDelayOf(port, { headers })
  notes.push(lateText(late))
  // Who was refused for its floods is let in again from elsewhere.
  const other = await WireClient.connect(url, { headers, localAddress: '127.0.0.99' })
  other.close()
  client.close()
  const status = await broker.stop()
  if (broker.complaints.length > 0) throw new TortureFailure(broker.complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  return { trials: count, note: notes.join(', ') }
}

export const tests = [
  {
    id: 'T-A2',
    title: 'floods of connections, wrong tokens, slow headers, subscriptions and one tenant',
    unit: 'seconds',
    counts: { ci: 10, full: 300 },
    skip: needBuild,
    run: runTest,
  },
]
