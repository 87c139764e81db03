// What a subscriber costs a broker that has nothing to send to it, each on a connection of its own:
// resident memory of the process before and after so many subscribed. And how long it takes until
// all of them have subscribed again, when all lose their connections at once while records come in.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { connectRetries, kernelKibibytes, ownCpuSeconds } from '../lib/process.mjs'
import { addRow, logOptions, pick, printReport, Series, withScratch } from '../micro/harness.mjs'
import { Control } from './control.mjs'
import { startBroker, startRawFanOut, startSubscribers } from './servers.mjs'

const counts = pick([100, 1000, 10_000], [100, 1000], [10])
const all = counts.at(-1)
const repetitions = pick(5, 2, 1)
const warmUpSubscribers = pick(500, 300, 10)
/** For the garbage of the beginnings to be collected, where it is. */
const settleMillis = pick(1000, 300, 10)
const dist = process.env.MILLRACE_BENCH_DIST
const stream = 'bench'
// All come three times: to be measured, to lose their connections, and back from that.
const limits = { connectionsMax: 20_000, connectsBurst: 4 * all }

/** Records that come before, during and after the storm. */
const records = [5, 10, 5]
const recordsInAll = records.reduce((sum, it) => sum + it, 0)
const oneRecord = { records: 1, recordBytes: 100 }

async function residentKibibytes(pid) {
  await setTimeout(settleMillis)
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1])
}

/** Both ends of a connection are on this machine, and take about the same. */
const endsOfConnection = 2

async function measureMemory(broker, memory, ofKernel) {
  const server = { port: broker.port, stream }
  const hold = (subscribers) => startSubscribers({ ...server, subscribers, mode: 'hold' })
  await (await hold(warmUpSubscribers)).stop()
  const before = await residentKibibytes(broker.pid)
  const kernelBefore = kernelKibibytes()
  const held = []
  let subscribed = 0
  for (const count of counts) {
    held.push(await hold(count - subscribed))
    subscribed = count
    memory.get(count).add(((await residentKibibytes(broker.pid)) - before) / count)
  }
  ofKernel.add(Math.max(0, kernelKibibytes() - kernelBefore) / (endsOfConnection * all))
  for (const subscribers of held) await subscribers.stop()
}

/** The storms of one server. */
class Storms {
  seconds = new Series()
  cpuMicros = new Series()
  idleShare = new Series()
  retries = new Series()
  verified = ''

  /** `put(frames)` sends so many records to all: before, during and after the storm. */
  async measure(server, [before, during, after], put) {
    const crowd = { subscribers: all, records: recordsInAll, mode: 'storm' }
    const subscribers = await startSubscribers({ ...server, ...crowd })
    await put(before)
    const retriesBefore = connectRetries()
    const [storm] = await Promise.all([subscribers.ask({}), put(during)])
    this.seconds.add(storm.seconds)
    this.cpuMicros.add((storm.serverCpuSeconds * 1e6) / all)
    this.idleShare.add(storm.idleShare)
    this.retries.add(connectRetries() - retriesBefore)
    await put(after)
    this.verified = (await subscribers.next()).verified
    await subscribers.stop()
  }
}

async function stormOfBroker(broker, storms) {
  const server = { port: broker.port, serverPid: broker.pid, stream }
  await storms.measure(server, records, (frames) =>
    broker.ask({ do: 'fill', stream, frames, ...oneRecord }),
  )
}

/** It takes the same connections and a message on each, and sends all records afterwards. */
async function stormOfRaw(raw, storms) {
  const server = { port: raw.port, serverPid: raw.pid, server: 'raw' }
  await storms.measure(server, [0, 0, recordsInAll], (frames) =>
    raw.ask({ do: 'send', frames, ...oneRecord }),
  )
}

const memory = new Map(counts.map((count) => [count, new Series()]))
const storms = { broker: new Storms(), raw: new Storms() }
const ofKernel = new Series()
/** Of the whole of the last repetition, which all rows come from. */
let cpuSeconds
await withScratch(async (scratch) => {
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const before = ownCpuSeconds()
    // A new one each time, as memory that was given back would be counted for nothing.
    const dir = join(scratch, `data-${repetition}`)
    const broker = await startBroker(dist, dir, { logOptions, limits })
    try {
      const control = await Control.connect(broker.port)
      await control.createStream(stream, 1)
      control.close()
      await measureMemory(broker, memory, ofKernel)
      await stormOfBroker(broker, storms.broker)
      cpuSeconds = { broker: broker.cpuSeconds, generator: ownCpuSeconds() - before }
    } finally {
      await broker.stop()
    }
    const raw = await startRawFanOut()
    try {
      await stormOfRaw(raw, storms.raw)
    } finally {
      await raw.stop()
    }
  }
})
for (const [count, figure] of memory) {
  addRow(`memory of an idle subscriber, ${count} of them`, figure, 'KiB', {
    params: { subscribers: count },
    cpuSeconds,
    check: `${count} subscriptions`,
  })
}
addRow(`kernel memory of the connection of an idle subscriber, ${all} of them`, ofKernel, 'KiB', {
  params: { subscribers: all, of: 'Slab of /proc/meminfo, TCP mem of /proc/net/sockstat' },
  cpuSeconds,
  check: `${all} subscriptions`,
})
addRow(
  `until ${all} subscribers have lost their connections and subscribed again`,
  storms.broker.seconds,
  's',
  {
    params: { subscribers: all, records: recordsInAll },
    cpuSeconds,
    limit: {
      name: 'raw uWebSockets, connections and a message on each',
      value: storms.raw.seconds.median,
      unit: 's',
    },
    info: {
      brokerCpuMicrosOfEach: storms.broker.cpuMicros.median,
      rawCpuMicrosOfEach: storms.raw.cpuMicros.median,
      connectRetries: storms.broker.retries.median,
      rawConnectRetries: storms.raw.retries.median,
      generatorIdleShare: storms.broker.idleShare.median,
    },
    check: `verified: true, ${storms.broker.verified}`,
  },
)
printReport()
