// L1 to L3: from a put that was due to its push. The generator keeps to its timetable whatever the
// broker does. A raw uWebSockets server that hands each message on takes turns with the broker; with
// `disk` the limit is a sync of the same disk.
import { addRow, logOptions, pick, printReport, Series, wants } from '../micro/harness.mjs'
import { runProgram, startRawFanOut, withServers } from './servers.mjs'

const stream = 'bench'
const recordBytes = 100
const repetitions = pick(5, 3, 1)
const secondsPerTurn = pick(10, 3, 0.02)
const warmUpSeconds = pick(2, 0.5, 0)

/** So many records a second, for so long. */
const timetable = (rate) => ({
  rate,
  warmUp: Math.floor(rate * warmUpSeconds),
  records: Math.ceil(rate * (warmUpSeconds + secondsPerTurn)),
})

const quantiles = ['p50Micros', 'p99Micros', 'p999Micros']

/** The quantiles of the turns of one server. */
class Turns {
  series = Object.fromEntries(
    [...quantiles, 'maxMicros', 'lateShare', 'serverCpuShare'].map((it) => [it, new Series()]),
  )
  last

  add(report) {
    for (const [name, series] of Object.entries(this.series)) series.add(report[name])
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

async function turnOfRaw({ raw }, { rate, subscribers }) {
  await raw.ask({ do: 'relay', recordBytes })
  const server = { port: raw.port, serverPid: raw.pid, server: 'raw' }
  return await runProgram('ws_latency', { ...server, ...timetable(rate), recordBytes, subscribers })
}

/** What a sync of one dirty page takes here and now, one that comes as often as records do. */
async function syncMicros(scratch, { syncName }) {
  const { rows } = await runProgram('sync_bench', {
    load: pick('quick', 'quick', 'tiny'),
    dir: scratch,
    part: 'page',
  })
  const { value, info } = rows.find((row) => row.name === syncName)
  return { p50Micros: value * 1e3, p99Micros: info.p99Millis * 1e3 }
}

function addCase(one, figure, limits) {
  const { name, limitName, rate, durability, subscribers } = one
  for (const quantile of quantiles) {
    const limit = limits.series[quantile]
    const at = quantile.replace('Micros', '').replace('p999', 'p99.9')
    addRow(`${name}, ${at}`, figure.series[quantile], 'us', {
      params: { rate, recordBytes, durability, subscribers, shards: 1 },
      info: {
        maxMicros: figure.series.maxMicros.median,
        lateShare: figure.series.lateShare.median,
        brokerCpuShare: figure.series.serverCpuShare.median,
      },
      ...(limit && { limit: { name: limitName, value: limit.median, unit: 'us' } }),
      check: `verified: true, ${figure.last.verified}`,
    })
  }
}

async function measure(one, servers) {
  const figure = new Turns()
  const isDisk = one.durability === 'disk'
  const limits = isDisk
    ? { series: { p50Micros: new Series(), p99Micros: new Series() } }
    : new Turns()
  for (let turn = -1; turn < repetitions; turn += 1) {
    const limit = isDisk ? await syncMicros(servers.scratch, one) : await turnOfRaw(servers, one)
    const report = await turnOfBroker(servers, one)
    if (turn < 0 && repetitions > 1) continue
    figure.add(report)
    if (!isDisk) limits.add(limit)
    else for (const [at, series] of Object.entries(limits.series)) series.add(limit[at])
  }
  const limitName = isDisk ? one.syncName : 'raw uWebSockets, message to message'
  addCase({ ...one, limitName }, figure, limits)
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
