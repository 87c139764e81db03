// I1 to I6: puts over WebSockets into a stream of 4 shards. The broker and a raw uWebSockets server
// take turns on one processor with the same frames from the same generator; I6 compares `disk` with
// `os` instead, and the second row of I2 a stream with limits, which are never reached, and metrics
// of each shard, which are asked for every second, with one that has neither, and its third row one
// that is encrypted with one that is not, and its fourth a client that is asked who it is, and for
// each of whose messages permissions and rates are looked at, with one that is not. After each turn of the broker everything is read back.
import { addRow, logOptions, pick, printReport, wants } from '../micro/harness.mjs'
import { runProgram, startRawServer, withServers } from './servers.mjs'
import { Turns } from './turns.mjs'

const shards = 4

const repetitions = pick(7, 3, 1)
// What was written before is written again once what held it is gone, a few turns later.
const warmUps = pick(4, 2, 0)
const bytesPerTurn = pick(700e6, 200e6, 200e3)

/** The raw server writes nothing down: a turn of it can be as long as one of the broker. */
const rawTimes = pick(5, 5, 1)

/** Limits that no load reaches: what is measured is what it costs to look at them. */
const shardLimits = {
  recordsPerSecond: 2 ** 40,
  bytesPerSecond: 2 ** 40,
  bytesBurst: 2 ** 40,
}
const readLimits = { readsPerSecond: 2 ** 20, bytesPerSecond: 2 ** 40 }

/** The broker makes a key of this id for itself. */
const keyId = 'bench'

/** Frames of so many bytes; small ones count by what they cost instead. */
function framesOf(frameBytes) {
  const frames = Math.max(8, Math.floor(bytesPerTurn / frameBytes))
  return { frames, rawFrames: frames * rawTimes }
}

function frames(count) {
  return { frames: count, rawFrames: count }
}

const sealed = {
  name: 'sealed batches, 64 KiB frames, 100 B',
  ...framesOf(65_440),
  load: { kind: 'batch', records: 545, recordBytes: 100, connections: 1, window: 16 },
}
const putRecords = {
  name: 'PutRecords, 500 x 100 B, random keys',
  ...framesOf(60_000),
  load: { kind: 'records', records: 500, recordBytes: 100, connections: 1, window: 16 },
}
const pipelined = {
  name: 'single puts, 100 B, 256 in flight on one connection',
  ...frames(pick(1_000_000, 200_000, 500)),
  load: { kind: 'record', records: 1, recordBytes: 100, connections: 1, window: 256 },
}

const inFlight = (one, window) => ({ ...one, load: { ...one.load, window } })

const parts = {
  I1: [sealed],
  I2: [
    putRecords,
    {
      ...putRecords,
      name: `${putRecords.name}, limits and metrics of shards`,
      against: { name: 'the same without', isLimited: false },
      isLimited: true,
    },
    {
      ...putRecords,
      name: `${putRecords.name}, encrypted`,
      against: { name: 'the same without' },
      isEncrypted: true,
    },
    {
      ...putRecords,
      name: `${putRecords.name}, with permissions and rates`,
      against: { name: 'the same without' },
      isAuthenticated: true,
    },
  ],
  I3: [
    {
      name: 'PutRecords, 64 KiB frames, 1 KiB',
      ...framesOf(64_800),
      load: { kind: 'records', records: 62, recordBytes: 1024, connections: 1, window: 16 },
    },
    {
      name: 'PutRecords, 500-record frames, 1 KiB',
      ...framesOf(522_500),
      load: { kind: 'records', records: 500, recordBytes: 1024, connections: 1, window: 4 },
    },
  ],
  I4: [pipelined],
  I5: [
    {
      name: 'single puts, 100 B, 100 connections, one in flight on each',
      ...frames(pick(200_000, 40_000, 500)),
      load: { kind: 'record', records: 1, recordBytes: 100, connections: 100, window: 1 },
    },
  ],
  // As many requests in flight as come in while a sync runs.
  I6: [inFlight(sealed, 64), inFlight(putRecords, 64), pipelined].map((it) => ({
    ...it,
    durability: 'disk',
    against: { name: 'the same with os', durability: 'os' },
  })),
}

/** One load on the broker: into a stream of its own, which is read back and then deleted. */
async function turnOfBroker({ broker, control }, load, one) {
  const { durability = 'os', isLimited = false, isEncrypted = false } = one
  const stream = `bench-${durability}-${isLimited}-${isEncrypted}`
  await control.createStream(stream, shards, isLimited ? 'PROVISIONED' : 'ON_DEMAND')
  if (isLimited) await control.monitor(stream)
  if (isEncrypted) await control.encrypt(stream, keyId)
  const scraper = isLimited ? setInterval(() => scrape(broker.port), 1000) : undefined
  const iterators = (await control.startsOf(stream)).join(',')
  if (one.isAuthenticated) broker.asking ??= await broker.ask({ do: 'askWho' })
  const { port, token } = one.isAuthenticated ? broker.asking : broker
  const server = { port, serverPid: broker.pid }
  const report = await runProgram(
    'ws_load',
    { ...load, ...server, stream, shards, durability, iterators },
    token === undefined ? {} : { MILLRACE_BENCH_TOKEN: token },
  )
  clearInterval(scraper)
  if (!/^\d+ records read back/.test(report.verified)) throw new Error('nothing was read back')
  // Its segments are what the next stream writes to.
  await control.deleteStream(stream)
  return report
}

/** As Prometheus does, but more often. */
async function scrape(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  if (!text.includes('millrace_shard_append_records_total{'))
    throw new Error('no metrics of shards')
}

const turnOfRaw = (raw, load) =>
  runProgram('ws_load', { ...load, port: raw.port, serverPid: raw.pid, shards, answers: 'ack' })

function addCase({ name, durability = 'os', against, load }, broker, limit) {
  const { latencyMicros, verified, frameBytes } = broker.last
  const limitName = against?.name ?? 'raw uWebSockets receive + ack'
  addRow(`${name}${broker.mark}`, broker.rate, 'records/s', {
    params: { ...load, shards, frameBytes, durability, memory: 'recycled segments' },
    info: {
      gigabytesPerSecond: (broker.rate.median * load.recordBytes) / 1e9,
      recordsPerBrokerCpuSecond: broker.cpuRate.median,
      shareOfLimitByCpuTime: broker.cpuRate.median / limit.cpuRate.median,
      generatorIdleShare: broker.idle.median,
      ...(load.window === 1 && { p50Micros: latencyMicros.p50, p99Micros: latencyMicros.p99 }),
    },
    limit: { name: `${limitName}${limit.mark}`, value: limit.rate.median, unit: 'records/s' },
    cpuSeconds: broker.cpuSeconds,
    check: `${verified} after the last turn`,
  })
}

/** Connections need some frames until the windows of TCP are open. */
const withWarmUp = (frames) => ({ frames, warmUp: Math.floor(frames / 5) })

async function measure(one, servers) {
  const load = { ...one.load, ...withWarmUp(one.frames) }
  const rawLoad = { ...one.load, ...withWarmUp(one.rawFrames) }
  const figure = new Turns()
  const limit = new Turns()
  for (let turn = -warmUps; turn < repetitions; turn += 1) {
    const limitReport =
      one.against === undefined
        ? await turnOfRaw(servers.raw, rawLoad)
        : await turnOfBroker(servers, load, one.against)
    const report = await turnOfBroker(servers, load, one)
    if (turn >= 0) {
      limit.add(limitReport)
      figure.add(report)
    }
  }
  addCase(one, figure, limit)
}

await withServers(
  startRawServer,
  { logOptions, shardLimits, readLimits, keyId },
  async (servers) => {
    for (const [part, cases] of Object.entries(parts)) {
      if (!wants(part)) continue
      for (const one of cases) await measure(one, servers)
    }
  },
)
printReport()
