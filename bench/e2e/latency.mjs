// L1 to L3: from a put that was due to its push. The generator keeps to its timetable whatever the
// broker does. A raw uWebSockets server that hands each message on takes turns with the broker; with
// `disk` it syncs a file before it does, and a sync of the same disk is shown beside.
import { join } from 'node:path'
import { addRow, logOptions, pick, printReport, Series, wants } from '../micro/harness.mjs'
import { Percentiles, reportedAs } from './percentiles.mjs'
import { runProgram, startRawFanOut, withServers } from './servers.mjs'

const stream = 'bench'
const recordBytes = 100
const repetitions = pick(5, 1, 1)
// A sync of pages that were never written takes several times as long, and three turns it is until
// no file is new.
const warmUps = pick(3, 1, 0)
const secondsPerTurn = pick(4, 0.2, 0.02)
const warmUpSeconds = pick(1, 0.1, 0)

/** So many records a second, for so long. */
const timetable = (rate) => ({
  rate,
  warmUp: Math.floor(rate * warmUpSeconds),
  records: Math.ceil(rate * (warmUpSeconds + secondsPerTurn)),
})

/** Those that have a row of their own. */
const ofRows = ['p50', 'p99', 'p99.9']

/** The turns of one server. */
class Turns {
  percentiles = new Percentiles()
  lateShare = new Series()
  cpuShare = new Series()
  last

  add(report) {
    this.percentiles.add(report)
    this.lateShare.add(report.lateShare)
    this.cpuShare.add(report.serverCpuShare)
    this.last = report
  }
}

async function turnOfBroker({ broker, control }, { rate, durability, subscribers }) {
  await control.createStream(stream, 1)
  const server = { port: broker.port, serverPid: broker.pid, stream, durability }
  const report = await runProgram('ws_latency', {
    ...server,
    ...timetable(rate),
    recordBytes,
    subscribers,
  })
  await control.deleteStream(stream)
  return report
}

async function turnOfRaw({ raw, scratch }, { rate, durability, subscribers }) {
  const path = durability === 'disk' ? join(scratch, 'relayed') : undefined
  await raw.ask({ do: 'relay', recordBytes, path })
  const server = { port: raw.port, serverPid: raw.pid, server: 'raw' }
  return await runProgram('ws_latency', { ...server, ...timetable(rate), recordBytes, subscribers })
}

/** What a sync of one dirty page takes here and now, one that comes as often as records do. */
async function measureSync(scratch, syncName) {
  const { rows } = await runProgram('sync_bench', {
    load: pick('quick', 'quick', 'tiny'),
    dir: scratch,
    part: 'page',
  })
  const { value, info } = rows.find((row) => row.name === syncName)
  return { p50Micros: value * 1e3, p99Micros: info.p99Millis * 1e3 }
}

/** Both servers in syncs of the same turn: what the disk asks for, and what else there is. */
class InSyncs {
  figure = { p50: new Series(), p99: new Series() }
  limit = { p50: new Series(), p99: new Series() }
  micros = new Series()

  add(sync, report, limit) {
    this.micros.add(sync.p50Micros)
    for (const at of Object.keys(this.figure)) {
      const name = reportedAs[at]
      this.figure[at].add(report[name] / sync[name])
      this.limit[at].add(limit[name] / sync[name])
    }
  }
}

const limitNames = {
  os: 'raw uWebSockets, message to message',
  disk: 'raw uWebSockets, fdatasync between',
}

function addCase({ name, rate, durability, subscribers, syncName }, figure, limits, inSyncs) {
  const about = {
    params: { rate, recordBytes, durability, subscribers, shards: 1 },
    info: {
      maxMicros: figure.percentiles.series.max.median,
      lateShare: figure.lateShare.median,
      brokerCpuShare: figure.cpuShare.median,
      rawCpuShare: limits.cpuShare.median,
    },
    cpuSeconds: {
      broker: figure.last.serverCpuSeconds,
      generator: figure.last.cpuSeconds,
    },
    percentiles: figure.percentiles.fields,
    check: `verified: true, ${figure.last.verified}`,
  }
  const limitName = limitNames[durability]
  for (const at of ofRows) {
    const limit = { name: limitName, value: limits.percentiles.series[at].median, unit: 'us' }
    addRow(`${name}, ${at}`, figure.percentiles.series[at], 'us', { ...about, limit })
  }
  if (syncName === undefined) return
  for (const [at, series] of Object.entries(inSyncs.figure)) {
    addRow(`${name}, ${at} in syncs`, series, 'syncs', {
      params: { ...about.params, syncName },
      cpuSeconds: about.cpuSeconds,
      info: { syncMicros: inSyncs.micros.median },
      limit: { name: limitName, value: inSyncs.limit[at].median, unit: 'syncs' },
      check: about.check,
    })
  }
}

async function measure(one, servers) {
  const figure = new Turns()
  const limits = new Turns()
  const inSyncs = new InSyncs()
  for (let turn = -warmUps; turn < repetitions; turn += 1) {
    const sync = turn >= 0 && one.syncName && (await measureSync(servers.scratch, one.syncName))
    const limit = await turnOfRaw(servers, one)
    const report = await turnOfBroker(servers, one)
    if (turn < 0) continue
    figure.add(report)
    limits.add(limit)
    if (sync) inSyncs.add(sync, report, limit)
  }
  addCase(one, figure, limits, inSyncs)
}

const slow = pick(1000, 1000, 500)
const fast = pick(50_000, 50_000, 1000)
const parts = {
  L1: [slow, fast].map((rate) => ({
    name: `put to push, ${rate} records/s`,
    rate,
    durability: 'os',
    subscribers: 1,
  })),
  L2: [slow, fast].map((rate) => ({
    name: `put to push, disk, ${rate} records/s`,
    rate,
    durability: 'disk',
    subscribers: 1,
    // At the higher rate one sync follows the other.
    syncName: rate === slow ? 'sync 1 file, 4 KiB, 1 ms apart' : 'sync 1 file, 4 KiB',
  })),
  L3: [
    {
      name: 'put to push, 100 subscribers',
      rate: pick(800, 800, 100),
      durability: 'os',
      subscribers: pick(100, 100, 3),
    },
  ],
}

await withServers(startRawFanOut, { logOptions }, async (servers) => {
  for (const [part, cases] of Object.entries(parts)) {
    if (!wants(part)) continue
    for (const one of cases) await measure(one, servers)
  }
})
printReport()
