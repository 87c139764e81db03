// More than a broker can take in a control group with little memory: megabytes of records that no
// shard takes, long messages that stop half-way, answers that nobody reads, connections that come and
// go. It refuses what it cannot take, to be tried again, and the kernel has no reason to kill it.
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { makeBulk } from '../broker/company.mjs'
import { pace, runFlood } from '../broker/floods.mjs'
import { LoopWatch, lateText } from '../broker/loop-watch.mjs'
import { MemoryGroup, needMemoryGroup } from '../broker/memory-group.mjs'
import { mebibytes, metricOf, percentile } from '../broker/resources.mjs'
import {
  createStream,
  GET_ITERATOR,
  getRecords,
  recordsOf,
  WireClient,
} from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { firstReason, needBuild } from '../lib/machine.mjs'

const MEBIBYTE = 1024 * 1024
const GROUP_BYTES = 512 * MEBIBYTE
const KINDS = ['bulk', 'half', 'unread', 'connect']
const REST_MILLIS_MAX = 20_000
const RETRY_MILLIS = 100

// Everything that was acknowledged is there.
async function checkAll(client, acknowledged) {
  let [iterator] = await client.ask(GET_ITERATOR, 'orders', '0', 'TRIM_HORIZON')
  let found = 0
  for (let count = 1; count > 0; found += count) {
    const answer = await getRecords(client, iterator)
    iterator = answer[0]
    count = recordsOf(answer).length
  }
  if (found < acknowledged)
    throw new TortureFailure(`${found} of ${acknowledged} records are there`)
}

// Once the floods are over, a put is taken soon.
async function untilTaken(client) {
  const before = performance.now()
  for (;;) {
    const { latencies } = await pace(client, 'orders', RETRY_MILLIS)
    if (latencies.length > 0) return { millis: performance.now() - before, more: latencies.length }
    if (performance.now() - before > REST_MILLIS_MAX) {
      throw new TortureFailure('nothing is taken once the floods are over')
    }
    await wait(RETRY_MILLIS)
  }
}

async function setUp(context) {
  const { directory, random, cleanup } = context
  const group = MemoryGroup.make(`millrace-torture-${Date.now()}`, GROUP_BYTES)
  cleanup(() => group.remove())
  const port = await freePort(random)
  const broker = new BrokerProcess(join(directory, 'data'), port, { group })
  cleanup(() => broker.kill())
  const client = await WireClient.connect(await broker.ready())
  await createStream(client, 'orders', 1)
  await createStream(client, 'provisioned', 1, 'PROVISIONED')
  await makeBulk(client, 'bulk')
  return { group, port, broker, client }
}

async function runTest(context) {
  const { count } = context
  const { group, port, broker, client } = await setUp(context)
  const watch = new LoopWatch(context, port)
  const millis = count * 1000
  const [steady, ...floods] = await Promise.all([
    pace(client, 'orders', millis),
    ...KINDS.map((kind) => runFlood({ kind, port, millis })),
  ])
  context.progress(count)
  const rest = await untilTaken(client)
  const shed = await metricOf(port, 'shed_requests_total')
  const cut = await metricOf(port, 'half_messages_cut_total')
  const late = await watch.finish()
  await checkAll(client, steady.latencies.length + rest.more)
  client.close()
  const status = await broker.stop()
  const { kills, peak } = group
  if (kills > 0) throw new TortureFailure(`the kernel has killed ${kills} processes of the group`)
  if (broker.complaints.length > 0) throw new TortureFailure(broker.complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  const done = floods.map((it, at) => `${KINDS[at]} ${it.done}`).join(', ')
  // Or memory was never short, which would prove nothing.
  if (shed + cut === 0) {
    const text = `${done}, ${mebibytes(peak ?? 0)} MiB of memory`
    throw new TortureFailure(`nothing was refused or cut for want of memory: ${text}`)
  }
  const { put, refused, latencies } = steady
  return {
    trials: count,
    note:
      `${done}; ${shed} requests shed, ${cut} half messages cut, 0 killed, ${mebibytes(peak ?? 0)} of ` +
      `${mebibytes(GROUP_BYTES)} MiB with cached files; of ${put} other puts ${latencies.length} ` +
      `taken, ${refused} to come again, p99.9 ${Math.round(percentile(latencies, 0.999))} ms; ` +
      `a put is taken ${Math.round(rest.millis)} ms after the floods; ${lateText(late)}`,
    details: { refusals: floods.map((it) => [...it.refusals]) },
  }
}

export const tests = [
  {
    id: 'T-A3',
    title: 'overload of a broker with 512 MiB of memory',
    unit: 'seconds',
    counts: { ci: 40, full: 300 },
    skip: () => firstReason(needBuild(), needMemoryGroup()),
    run: runTest,
  },
]
