// I1 to I6: puts over WebSockets into a stream of 4 shards. The broker and a raw uWebSockets server
// take turns on one processor with the same frames from the same generator; I6 compares `disk` with
// `os` instead. After each turn of the broker everything is read back.
import { join } from 'node:path'
import {
  addRow,
  logOptions,
  pick,
  printReport,
  Series,
  wants,
  withScratch,
} from '../micro/harness.mjs'
import { Control } from './control.mjs'
import { runProgram, startBroker, startRawServer } from './servers.mjs'

const shards = 4
const dist = process.env.MILLRACE_BENCH_DIST
/** Below this share of idle time the generator is the limit, and the figure says so. */
const idleShareMin = 0.1

/** The resolution of the generator's report: the smallest loads are over within it. */
const reportedSecondsMin = 1e-6

const repetitions = pick(7, 3, 1)
// What was written before is written again once what held it is gone, a few turns later.
const warmUps = pick(4, 2, 0)
const bytesPerTurn = pick(700e6, 200e6, 200e3)

/** The raw server writes nothing down: a turn of it can be as long as one of the broker. */
const rawTimes = pick(5, 5, 1)

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
  I2: [putRecords],
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
  })),
}

/** What the turns of one server came to. */
class Turns {
  rate = new Series()
  cpuRate = new Series()
  idle = new Series()
  last

  add(report) {
    const { records, seconds, serverCpuSeconds, idleShare } = report
    this.rate.add(records / Math.max(seconds, reportedSecondsMin))
    this.cpuRate.add(records / Math.max(serverCpuSeconds, reportedSecondsMin))
    this.idle.add(idleShare)
    this.last = report
  }

  get isBoundByGenerator() {
    return this.idle.median < idleShareMin
  }
}

/** One load on the broker: into a stream of its own, which is read back and then deleted. */
async function turnOfBroker(broker, control, load, durability) {
  const stream = `bench-${durability}`
  await control.createStream(stream, shards)
  const iterators = (await control.startsOf(stream)).join(',')
  const server = { port: broker.port, serverPid: broker.pid }
  const report = await runProgram('ws_load', {
    ...load,
    ...server,
    stream,
    shards,
    durability,
    iterators,
  })
  if (!/^\d+ records read back/.test(report.verified)) throw new Error('nothing was read back')
  // Its segments are what the next stream writes to.
  await control.deleteStream(stream)
  return report
}

const turnOfRaw = (raw, load) =>
  runProgram('ws_load', { ...load, port: raw.port, serverPid: raw.pid, shards, answers: 'ack' })

function addCase({ name, durability = 'os', load }, broker, limit) {
  const { latencyMicros, verified, frameBytes } = broker.last
  const mark = (turns) => (turns.isBoundByGenerator ? ' (bound by the generator)' : '')
  const limitName = durability === 'disk' ? 'the same with os' : 'raw uWebSockets receive + ack'
  addRow(`${name}${mark(broker)}`, broker.rate, 'records/s', {
    params: { ...load, shards, frameBytes, durability, memory: 'recycled segments' },
    info: {
      gigabytesPerSecond: (broker.rate.median * load.recordBytes) / 1e9,
      recordsPerBrokerCpuSecond: broker.cpuRate.median,
      shareOfLimitByCpuTime: broker.cpuRate.median / limit.cpuRate.median,
      generatorIdleShare: broker.idle.median,
      ...(load.window === 1 && { p50Micros: latencyMicros.p50, p99Micros: latencyMicros.p99 }),
    },
    limit: { name: `${limitName}${mark(limit)}`, value: limit.rate.median, unit: 'records/s' },
    check: `${verified} after the last turn`,
  })
}

/** Connections need some frames until the windows of TCP are open. */
const withWarmUp = (frames) => ({ frames, warmUp: Math.floor(frames / 5) })

async function measure(one, servers) {
  const { raw, broker, control } = servers
  const load = { ...one.load, ...withWarmUp(one.frames) }
  const rawLoad = { ...one.load, ...withWarmUp(one.rawFrames) }
  const figure = new Turns()
  const limit = new Turns()
  for (let turn = -warmUps; turn < repetitions; turn += 1) {
    const isDisk = one.durability === 'disk'
    const limitReport = isDisk
      ? await turnOfBroker(broker, control, load, 'os')
      : await turnOfRaw(raw, rawLoad)
    const report = await turnOfBroker(broker, control, load, isDisk ? 'disk' : 'os')
    if (turn >= 0) {
      limit.add(limitReport)
      figure.add(report)
    }
  }
  addCase(one, figure, limit)
}

await withScratch(async (scratch) => {
  const started = []
  try {
    const raw = await startRawServer()
    started.push(raw)
    const broker = await startBroker(dist, join(scratch, 'data'), { logOptions })
    started.push(broker)
    const control = await Control.connect(broker.port)
    for (const [part, cases] of Object.entries(parts)) {
      if (!wants(part)) continue
      for (const one of cases) await measure(one, { raw, broker, control })
    }
    control.close()
  } finally {
    await Promise.all(started.map((server) => server.stop()))
  }
})
printReport()
