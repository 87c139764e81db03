// Floods of several kinds from an address of their own, while a client elsewhere keeps its pace.

import { join } from 'node:path'
import { bearer, writeAccessFile } from '../broker/access-file.mjs'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { LATE_MILLIS, pace, runFlood } from '../broker/floods.mjs'
import { createHotShards, HOT_SHARDS, judgeHotShard } from '../broker/hot-shards.mjs'
import { judgeLateness, LoopWatch, lateText } from '../broker/loop-watch.mjs'
import { atMostTwice, percentile } from '../broker/resources.mjs'
import { createStream, WireClient } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const KINDS = [
  'connect',
  'token',
  'slowloris',
  'subscribe',
  'tenfold',
  'tenant',
  ...HOT_SHARDS.keys(),
]
// Beside this one answers take at most twice as long; the others take all of a processor themselves,
// which is not the broker's doing.
const PACED = 'tenfold'
const SHARE_MIN = 0.95
const TENANT_RATE = 200

const permissions = [{ actions: ['put', 'subscribe', 'admin'], streams: ['*'] }]
const limits = { requestsPerSecond: TENANT_RATE }
const PRINCIPALS = {
  steady: { permissions },
  subscribe: { permissions },
  tenfold: { permissions, limits },
  tenant: { permissions, limits },
  ...Object.fromEntries(Array.from(HOT_SHARDS.keys(), (it) => [it, { permissions }])),
}

async function runTest(context) {
  const { directory, count, random, tier } = context
  const path = join(directory, 'access.json')
  const tokens = writeAccessFile(path, PRINCIPALS)
  const port = await freePort(random)
  // A shard that is full for a minute is split otherwise, and has no figures any more.
  const more = ['--access-file', path, '--scaling-disabled']
  const broker = new BrokerProcess(join(directory, 'data'), port, { more })
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const headers = bearer(tokens.get('steady'))
  const client = await WireClient.connect(url, { headers })
  await createStream(client, 'orders', 1)
  await createHotShards(client)

  const watch = new LoopWatch(context, port, { headers })
  const millis = (count * 1000) / KINDS.length
  const alone = percentile((await pace(client, 'orders', millis)).latencies, 0.99)
  const notes = [`p99 ${alone.toFixed(1)} ms alone`]
  for (const [at, kind] of KINDS.entries()) {
    const localAddress = `127.0.0.${at + 2}`
    const perSecond = 10 * TENANT_RATE
    const flood = { kind, port, localAddress, millis, perSecond, token: tokens.get(kind) }
    const [{ done }, { put, latencies }] = await Promise.all([
      runFlood(flood),
      pace(client, HOT_SHARDS.has(kind) ? kind : 'orders', millis),
    ])
    if (HOT_SHARDS.has(kind)) {
      const options = { headers }
      await judgeHotShard(kind, { port, options, done, seconds: millis / 1000 })
    }
    const share = latencies.filter((it) => it <= LATE_MILLIS).length / put
    const [p99, p999] = [0.99, 0.999].map((it) => percentile(latencies, it))
    const rate = Math.round((done * 1000) / millis)
    const late = `p99 ${p99.toFixed(1)} ms, p99.9 ${Math.round(p999)} ms`
    notes.push(`${kind} ${rate}/s: ${Math.round(share * 100)} %, ${late}`)
    const isSoon = tier !== 'full' || kind !== PACED || atMostTwice(p99, alone)
    if (share < SHARE_MIN || !isSoon) {
      throw new TortureFailure(`others kept their pace too little: ${notes.join(', ')}`)
    }
    context.progress(Math.round(((at + 1) * count) / KINDS.length))
  }
  const late = await watch.finish()
  notes.push(lateText(late))
  // Who was refused for its floods is let in again from elsewhere.
  const other = await WireClient.connect(url, { headers, localAddress: '127.0.0.99' })
  other.close()
  client.close()
  const status = await broker.stop()
  if (broker.complaints.length > 0) throw new TortureFailure(broker.complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  judgeLateness(tier, late)
  return { trials: count, note: notes.join(', ') }
}

export const tests = [
  {
    id: 'T-A2',
    title:
      'floods of connections, wrong tokens, slow headers, subscriptions, one tenant, one shard',
    unit: 'seconds',
    counts: { ci: 16, full: 480 },
    skip: needBuild,
    run: runTest,
  },
]
