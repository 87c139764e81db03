// I1 to I6: puts over WebSockets into a stream of 4 shards. The broker and a raw uWebSockets server
// take turns on one processor with the same frames from the same generator; I6 compares `disk` with
// `os` instead. After each turn of the broker everything is read back.
import { addRow, logOptions, pick, printReport, wants } from '../micro/harness.mjs'
import { putRecords as keyed, shards, turnOfBroker, withWarmUp } from './puts.mjs'
import { runProgram, startRawServer, withServers } from './servers.mjs'
import { Turns } from './turns.mjs'

const repetitions = pick(5, 2, 1)
// What was written before is written again once what held it is gone, a few turns later.
const warmUps = pick(3, 1, 0)
const bytesPerTurn = pick(700e6, 15e6, 200e3)

/** The raw server writes nothing down: a turn of it can be as long as one of the broker. */
const rawTimes = pick(5, 2, 1)

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
const putRecords = { ...keyed, ...framesOf(keyed.frameBytes) }
const pipelined = {
  name: 'single puts, 100 B, 256 in flight on one connection',
  ...frames(pick(1_000_000, 25_000, 500)),
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
      ...frames(pick(200_000, 10_000, 500)),
      load: { kind: 'record', records: 1, recordBytes: 100, connections: 100, window: 1 },
    },
  ],
  // As many requests in flight as come in while a sync runs.
  I6: [
    { ...inFlight(sealed, 64), syncedAtOnce: '1 MiB' },
    { ...inFlight(putRecords, 64), syncedAtOnce: '1 MiB' },
    { ...pipelined, syncedAtOnce: '4 KiB' },
  ].map((it) => ({
    ...it,
    durability: 'disk',
    against: { name: 'the same with os', durability: 'os' },
  })),
}

const turnOfRaw = (raw, load) =>
  runProgram('ws_load', { ...load, port: raw.port, serverPid: raw.pid, shards, answers: 'ack' })

/**
 * Records a second that syncs alone would allow, if each took all that may be in flight: about
 * `syncedAtOnce` of each of the shards.
 */
async function allowedBySyncs({ syncedAtOnce, load }, { scratch }) {
  const { rows } = await runProgram('sync_bench', {
    load: pick('quick', 'quick', 'tiny'),
    dir: scratch,
    part: 'shards',
  })
  const name = `sync ${shards} files, ${syncedAtOnce} each, write-back started first`
  const { value: millis } = rows.find((row) => row.name === name)
  return (load.window * load.records) / (millis / 1e3)
}

function addCase({ name, durability = 'os', against, load }, broker, limit, bySyncs) {
  const { latencyMicros, verified, frameBytes } = broker.last
  const limitName = against?.name ?? 'raw uWebSockets receive + ack'
  addRow(`${name}${broker.mark}`, broker.rate, 'records/s', {
    params: { ...load, shards, frameBytes, durability, memory: 'recycled segments' },
    info: {
      gigabytesPerSecond: (broker.rate.median * load.recordBytes) / 1e9,
      recordsPerBrokerCpuSecond: broker.cpuRate.median,
      shareOfLimitByCpuTime: broker.cpuRate.median / limit.cpuRate.median,
      generatorIdleShare: broker.idle.median,
      ...(bySyncs !== undefined && { recordsPerSecondBySyncs: bySyncs }),
      ...(load.window === 1 && { p50Micros: latencyMicros.p50, p99Micros: latencyMicros.p99 }),
    },
    limit: { name: `${limitName}${limit.mark}`, value: limit.rate.median, unit: 'records/s' },
    cpuSeconds: broker.cpuSeconds,
    check: `${verified} after the last turn`,
  })
}

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
  const bySyncs = one.syncedAtOnce && (await allowedBySyncs(one, servers))
  addCase(one, figure, limit, bySyncs)
}

await withServers(startRawServer, { logOptions }, async (servers) => {
  for (const [part, cases] of Object.entries(parts)) {
    if (!wants(part)) continue
    for (const one of cases) await measure(one, servers)
  }
})
printReport()
