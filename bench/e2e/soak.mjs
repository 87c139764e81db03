// X2: a broker that is loaded for a long time: 50,000 single puts a second by a timetable, pushed to
// ten subscribers, and besides a replay of all that is there, begun anew every quarter of a minute.
// What is asked is whether it stays as it was: memory and times at the end against those at the
// beginning, and against the same load with one subscriber and no replay, before. Of memory that is
// what the broker holds at the end of each third, as what it takes meanwhile depends on garbage. It
// takes MILLRACE_BENCH_MINUTES, ten unless that is given, so it runs only when it is named.
import { setTimeout } from 'node:timers/promises'
import { drift, endsThird } from '../lib/drift.mjs'
import { anonymousKibibytesOf } from '../lib/process.mjs'
import { soakLoads, soakParts } from '../lib/soak.mjs'
import { addRow, logOptions, pick, printReport, Series } from '../micro/harness.mjs'
import { Percentiles } from './percentiles.mjs'
import { runProgram, startRawFanOut, startSubscribers, withServers } from './servers.mjs'
import { reportedSecondsMin } from './turns.mjs'

const stream = 'soak'
const recordBytes = 100
const minutes = Number(process.env.MILLRACE_BENCH_MINUTES ?? 10)
const load = pick('full', 'quick', 'tiny')
/** The times of one part are one figure of the series that may drift. */
const { rate, subscribers, partSeconds, warmUpSeconds } = soakLoads[load]
const parts = soakParts(load, minutes)
/** Maps and indexes that nobody has used for a while are given up. */
const restMillis = pick(5000, 5000, 1)
/** Times of both loads come from parts of the same length. */
const alone = { parts: pick(3, 1, 1), subscribers: 1 }
const recordsOfPart = Math.ceil(rate * (warmUpSeconds + partSeconds))

async function onePart({ broker }, crowd) {
  return await runProgram('ws_latency', {
    port: broker.port,
    serverPid: broker.pid,
    stream,
    durability: 'os',
    recordBytes,
    rate,
    records: recordsOfPart,
    warmUp: Math.floor(rate * warmUpSeconds),
    subscribers: crowd,
  })
}

/** Reads what is there, from the oldest record on; answers how many records came in a second. */
async function replay({ broker }, records) {
  const consumer = await startSubscribers({
    port: broker.port,
    serverPid: broker.pid,
    stream,
    from: 'oldest',
    mode: 'live',
    records,
    warmUp: Math.max(1, Math.floor(records / 5)),
    subscribers: 1,
  })
  const { records: measured, seconds } = await consumer.next()
  await consumer.stop()
  return measured / Math.max(seconds, reportedSecondsMin)
}

/** What the parts came to, in their order. */
class Soak {
  p50 = []
  p99 = []
  percentiles = new Percentiles()
  kibibytes = []
  held = []
  replayRate = new Series()
  cpuSeconds = { broker: 0, generator: 0 }
  lateShare = new Series()
  puts = 0
  replayed = 0

  add(report, kibibytes, replayRate) {
    this.p50.push(report.p50Micros)
    this.p99.push(report.p99Micros)
    this.percentiles.add(report)
    this.kibibytes.push(kibibytes)
    this.replayRate.add(replayRate)
    this.lateShare.add(report.lateShare)
    this.cpuSeconds.broker += report.serverCpuSeconds
    this.cpuSeconds.generator += report.cpuSeconds
    this.puts += recordsOfPart
  }
}

async function heldMemory({ broker }) {
  await setTimeout(restMillis)
  const { heldKibibytes } = await broker.ask({ do: 'memory' })
  return heldKibibytes
}

async function soak(servers, there) {
  const run = new Soak()
  let records = there
  for (let part = 0; part < parts; part += 1) {
    const [report, replayRate] = await Promise.all([
      onePart(servers, subscribers),
      replay(servers, records),
    ])
    run.replayed += records
    records += recordsOfPart
    run.add(report, anonymousKibibytesOf(servers.broker.pid), replayRate)
    if (endsThird(part, parts)) run.held.push(await heldMemory(servers))
  }
  return run
}

function seriesOf(values) {
  const series = new Series()
  for (const value of values) series.add(value)
  return series
}

function addRows(run, limit) {
  const params = { rate, recordBytes, subscribers, parts, partSeconds, durability: 'os' }
  const { cpuSeconds } = run
  const check =
    `verified: true, ${run.puts} records, each once and in order to each of ${subscribers} ` +
    `subscribers, and ${run.replayed} replayed`
  const shared = { params, cpuSeconds, check }
  const info = {
    lateShare: run.lateShare.median,
    replayedRecordsPerSecond: run.replayRate.median,
    recordsPerBrokerCpuSecond: (run.puts * subscribers + run.replayed) / cpuSeconds.broker,
  }
  for (const at of ['p50', 'p99']) {
    addRow(`put to push beside a replay, ${at}`, seriesOf(run[at]), 'us', {
      ...shared,
      info,
      percentiles: run.percentiles.fields,
      limit: { name: 'one subscriber, no replay', value: limit[at].median, unit: 'us' },
    })
    addRow(`${at}, the end over the beginning`, seriesOf([drift(run[at])]), 'x', shared)
  }
  addMemoryRows('memory held', run.held, shared)
  addMemoryRows('memory as it stands', run.kibibytes, shared)
}

function addMemoryRows(name, kibibytes, shared) {
  addRow(name, seriesOf(kibibytes).scaled(1 / 1024), 'MiB', shared)
  const grown = seriesOf([100 * (drift(kibibytes) - 1)])
  addRow(`${name}, the end more than the beginning`, grown, '%', shared)
}

await withServers(startRawFanOut, { logOptions }, async (servers) => {
  const { control } = servers
  await control.createStream(stream, 1)
  const limit = { p50: new Series(), p99: new Series() }
  for (let part = 0; part < alone.parts; part += 1) {
    const report = await onePart(servers, alone.subscribers)
    limit.p50.add(report.p50Micros)
    limit.p99.add(report.p99Micros)
  }
  addRows(await soak(servers, alone.parts * recordsOfPart), limit)
  await control.deleteStream(stream)
})
printReport()
