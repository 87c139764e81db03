// Wrong frames against a broker, from many sockets at once, while a bystander puts and reads.
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { bearer, writeAccessFile } from '../broker/access-file.mjs'
import { TARGET } from '../broker/bad-frames.mjs'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { judgeLateness, LoopWatch, lateText } from '../broker/loop-watch.mjs'
import { atMostTwice, mebibytes, memoryOf, percentile } from '../broker/resources.mjs'
import {
  createStream,
  GET_ITERATOR,
  GET_RECORDS,
  PUT_RECORD,
  recordsOf,
  WireClient,
} from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const attacks = new URL('../broker/frame-attacks.mjs', import.meta.url)
// No object has a way to its prototype by a name, and what becomes of the prototypes is told.
const prototypeWatch = new URL('../broker/prototype-watch.mjs', import.meta.url).href
const NODE_OPTIONS = ['--disable-proto=delete', '--import', prototypeWatch]
// Connections come as fast as they can, with as many wrong tokens: whom a broker lets in at which rate
// is a matter of T-S2 and T-A2.
const MORE = [
  ...['--server-connects-per-second', '1000000'],
  ...['--access-failed-authentications-burst', '1000000'],
  ...['--access-failed-authentications-per-second', '1000000'],
]
// At first there are so many frames a second: what they do to others is then not that the processors
// are busy making them. Then there are as many as it gets.
const PACED_PER_SECOND = 1000
const UNPACED_PER_SECOND = 1e9
const ALONE_MILLIS = { ci: 1000, full: 20_000 }
const PACED_MILLIS = { ci: 1000, full: 30_000 }
const permissions = [{ actions: ['put', 'get', 'subscribe', 'admin'], streams: ['*'] }]
const PRINCIPALS = {
  attacker: { permissions, limits: { connections: 10_000 } },
  bystander: { permissions },
  keeper: { permissions },
}
const SAFE = 'safe'
const KEEP_MILLIS = 200
const BYSTANDER_MILLIS = 10
const BYSTANDER_MILLIS_MAX = 5000
const WARM_SHARE = 0.1
const MEMORY_BYTES_MAX = 64 * 1024 * 1024

// Puts one record after the other, until it is told to stop; then reads all of them.
async function bystand(url, state, headers) {
  const client = await WireClient.connect(url, { headers })
  const put = []
  while (!state.isOver) {
    const before = performance.now()
    const text = `record ${put.length}`
    const request = client.ask(PUT_RECORD, SAFE, null, [['k', Buffer.from(text)]], null, 0, 0)
    await Promise.race([request, wait(BYSTANDER_MILLIS_MAX, null, { ref: false })])
    state.millis.push(performance.now() - before)
    if (state.millis.at(-1) >= BYSTANDER_MILLIS_MAX) throw new TortureFailure('a bystander waits')
    put.push(text)
    await wait(BYSTANDER_MILLIS)
  }
  let [iterator] = await client.ask(GET_ITERATOR, SAFE, '0', 'TRIM_HORIZON')
  const found = []
  for (let count = 1; count > 0; ) {
    const answer = await client.ask(GET_RECORDS, iterator)
    iterator = answer[0]
    const records = recordsOf(answer)
    count = records.length
    found.push(...records.map(({ data }) => Buffer.from(data).toString()))
  }
  client.close()
  if (found.join() !== put.join()) {
    throw new TortureFailure(`a bystander put ${put.length} records and found ${found.length}`)
  }
}

// A damaged message can be one that deletes the stream; without it there would be nothing to scan.
async function keepTarget(url, state, headers) {
  const client = await WireClient.connect(url, { headers })
  while (!state.isOver) {
    await createStream(client, TARGET, 2)
    await wait(KEEP_MILLIS)
  }
  client.close()
}

// The attacks, until they have come so far. Answers how many frames there were, and connections.
async function attack(
  { count, random, progress, cleanup },
  { port, token, tier, onProgress, onUnpaced },
) {
  const seed = random.fork('attacks').bits()
  const workerData = { port, seed, token, perSecond: PACED_PER_SECOND }
  const worker = new Worker(attacks, { workerData })
  cleanup(() => worker.terminate())
  const failed = once(worker, 'error').then(([error]) => Promise.reject(error))
  const ended = new Promise((resolve) => {
    let seen
    let isUnpaced = false
    const timer = setTimeout(() => {
      isUnpaced = true
      onUnpaced()
      worker.postMessage(UNPACED_PER_SECOND)
    }, PACED_MILLIS[tier])
    worker.on('message', (message) => {
      seen = message
      progress(Math.min(seen.done, count))
      onProgress(seen)
      if (seen.done >= count && isUnpaced) worker.postMessage(0)
    })
    worker.once('exit', () => {
      clearTimeout(timer)
      resolve(seen)
    })
  })
  return await Promise.race([ended, failed])
}

function judge(tier, { status, complaints, growth, beside, alone }) {
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  if (growth > MEMORY_BYTES_MAX) throw new TortureFailure(`${mebibytes(growth)} MiB more memory`)
  if (tier === 'full' && !atMostTwice(beside, alone)) {
    const [slow, before] = [beside, alone].map((it) => it.toFixed(1))
    throw new TortureFailure(`a bystander's p99 ${slow} ms, ${before} ms alone`)
  }
}

async function runTest(context) {
  const { directory, count, random, tier } = context
  const access = join(directory, 'access.json')
  const tokens = writeAccessFile(access, PRINCIPALS)
  const port = await freePort(random)
  const more = [...MORE, '--access-file', access]
  const broker = new BrokerProcess(join(directory, 'data'), port, {
    more,
    nodeOptions: NODE_OPTIONS,
  })
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const headers = bearer(tokens.get('keeper'))
  const setup = await WireClient.connect(url, { headers })
  for (const name of [SAFE, TARGET]) await createStream(setup, name, 1)
  setup.close()

  const state = { isOver: false, millis: [] }
  context.cleanup(() => {
    state.isOver = true
  })
  const watch = new LoopWatch(context, port, { headers })
  const others = [
    bystand(url, state, bearer(tokens.get('bystander'))),
    keepTarget(url, state, headers),
  ]
  await wait(ALONE_MILLIS[tier])
  const alone = percentile(state.millis, 0.99)
  state.millis = []
  let beside = 0
  const onUnpaced = () => {
    beside = percentile(state.millis, 0.99)
    state.millis = []
  }
  let warm = null
  let most = 0
  const onProgress = ({ done }) => {
    if (done >= count * WARM_SHARE) warm ??= memoryOf(broker.pid)
    most = Math.max(most, memoryOf(broker.pid))
  }
  const ended = broker.ended.then(({ code, signal }) => {
    if (!state.isOver) throw new TortureFailure(`the broker ended: ${code ?? signal}`)
  })
  const began = performance.now()
  const token = tokens.get('attacker')
  const attacking = attack(context, { port, token, tier, onProgress, onUnpaced })
  const { done, connections } = await Promise.race([
    attacking,
    ended,
    ...others.map((it) => it.then(() => ended)),
  ])
  const perSecond = Math.round((done * 1000) / (performance.now() - began))
  state.isOver = true
  await Promise.all(others)

  const growth = Math.max(most, memoryOf(broker.pid)) - warm
  const late = await watch.finish()
  const status = await broker.stop()
  const p99 = percentile(state.millis, 0.99)
  judge(tier, { status, complaints: broker.complaints, growth, beside, alone })
  judgeLateness(tier, late)
  return {
    trials: done,
    note:
      `${perSecond}/s over ${connections} connections, memory ${mebibytes(growth)} MiB more, ` +
      `a bystander's p99 ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} beside ` +
      `${PACED_PER_SECOND}/s, ${p99.toFixed(1)} beside all of them; ${lateText(late)}`,
    details: { connections, growth, p99, beside, alone, late },
  }
}

export const tests = [
  {
    id: 'T-F2',
    title: 'malformed WebSocket and MessagePack frames',
    unit: 'frames',
    counts: { ci: 40_000, full: 10_000_000 },
    skip: needBuild,
    run: runTest,
  },
]
