// F1 to F3 and R1: what a broker sends to subscribers of one shard. The broker and a raw uWebSockets
// server take turns on one processor with frames of the same size to the same generator, which has
// the other one. Each subscriber has to get each record once, in order.
import { join } from 'node:path'
import { anonymousKibibytesOf } from '../lib/process.mjs'
import { addRow, logOptions, pick, printReport, Series, wants } from '../micro/harness.mjs'
import { startRawFanOut, startSubscribers, withServers } from './servers.mjs'
import { reportedSecondsMin, Turns } from './turns.mjs'

const stream = 'bench'
/** Connections of one turn and some more, and of all turns: they all come from one address. */
const limits = { connectionsMax: 20_000, connectsBurst: 200_000 }

const repetitions = pick(5, 1, 1)
/** Of a load whose turns are short: a processor with other guests has slow seconds, and quick ones. */
const shortRepetitions = pick(15, 1, 1)
// What was written before is written again once what held it is gone, three turns later; until then
// pages are zeroed, and code is compiled.
const warmUps = pick(3, 1, 0)
const crowds = pick([1, 10, 100, 1000], [1, 10, 100], [1, 3])

/** Frames that are sent in a turn, to all subscribers together. */
const sendsPerTurn = pick(60_000, 2000, 24)
const framesFor = (subscribers) => Math.max(4, Math.ceil(sendsPerTurn / subscribers))

const fanOut = (records, name) =>
  crowds.map((subscribers) => ({
    name: `${name}, ${subscribers} ${subscribers === 1 ? 'subscriber' : 'subscribers'}`,
    subscribers,
    frames: framesFor(subscribers),
    load: { records, recordBytes: 100 },
  }))

/** How far a producer is ahead of the subscribers: with 1 every batch is a frame of its own. */
const inStep = 1
const severalAhead = 16

/** Each load in two ways. */
async function measureBoth(cases, servers) {
  for (const one of cases) {
    await measure({ ...one, ahead: severalAhead }, servers)
    const name = `${one.name}, each batch by itself`
    await measure({ ...one, name, ahead: inStep }, servers)
  }
}

const stalling = pick(
  { subscribers: 1000, stalled: 100 },
  { subscribers: 1000, stalled: 100 },
  { subscribers: 4, stalled: 1 },
)

/** Bytes that may be on their way to a subscriber, as clients have it unless they say otherwise. */
const creditBytes = 256 * 1024

const replayBytes = pick(5e9, 1e9, 2e6)
const replay = { records: 545, recordBytes: 100 }
const replayFrames = Math.ceil(replayBytes / (replay.records * replay.recordBytes))

/** What the subscribers are to get: the same of either server. */
function expected({ frames, load, subscribers, stalled = 0 }) {
  const records = frames * load.records
  return { subscribers, stalled, records, warmUp: Math.floor(frames / 5) * load.records }
}

/** With a path the server appends each frame to a log of its own before it sends it. */
async function turnOfRaw(raw, one, path) {
  const server = { server: 'raw', port: raw.port, serverPid: raw.pid }
  const subscribers = await startSubscribers({ ...server, ...expected({ ...one, stalled: 0 }) })
  const report = subscribers.next()
  await raw.ask({ do: 'send', frames: one.frames, ...one.load, path })
  const received = await report
  await subscribers.stop()
  return received
}

/** One load on the broker, into a stream of its own, which is deleted afterwards. */
async function turnOfBroker({ broker, control }, one) {
  const { frames, load, subscribers, stalled = 0, ahead } = one
  await control.createStream(stream, 1)
  const server = { port: broker.port, serverPid: broker.pid, stream }
  const generator = await startSubscribers({ ...server, ...expected(one) })
  const before = anonymousKibibytesOf(broker.pid)
  const report = generator.next()
  const put = { ...load, stream, frames, ahead, subscribers: subscribers - stalled }
  await broker.ask({ do: 'putAhead', ...put })
  const received = await report
  if (stalled > 0) {
    received.kibibytesPerStalled = Math.max(0, anonymousKibibytesOf(broker.pid) - before) / stalled
    received.resumed = await generator.ask({})
  }
  await generator.stop()
  await control.deleteStream(stream)
  return received
}

function infoOf(one, figure, limit, appending) {
  const { load } = one
  const { frames, seconds, batchesPerFrame, resumed } = figure.last
  return {
    framesPerSecond: frames / Math.max(seconds, reportedSecondsMin),
    batchesPerFrame,
    gigabytesPerSecond: (figure.rate.median * load.recordBytes) / 1e9,
    recordsPerBrokerCpuSecond: figure.cpuRate.median,
    shareOfLimitByCpuTime: figure.cpuRate.median / limit.cpuRate.median,
    generatorIdleShare: figure.idle.median,
    ...(appending && {
      shareOfRawThatAppends: figure.rate.median / appending.rate.median,
      shareOfRawThatAppendsByCpuTime: figure.cpuRate.median / appending.cpuRate.median,
    }),
    ...(resumed && { secondsToCatchUp: resumed.seconds }),
  }
}

const inRecords = { unit: 'records/s', scale: 1 }
const inGigabytes = { unit: 'GB/s', scale: replay.recordBytes / 1e9 }

function addCase(one, figure, limit, more = {}) {
  const { limitName = 'raw uWebSockets send', as = inRecords, appending } = more
  const { verified, resumed } = figure.last
  addRow(`${one.name}${figure.mark}`, figure.rate.scaled(as.scale), as.unit, {
    params: {
      ...one.load,
      subscribers: one.subscribers,
      ahead: one.ahead,
      frames: one.frames,
      durability: 'os',
    },
    info: infoOf(one, figure, limit, appending),
    limit: {
      name: `${limitName}${limit.mark}`,
      value: limit.rate.median * as.scale,
      unit: as.unit,
    },
    cpuSeconds: figure.cpuSeconds,
    check: `verified: true, ${resumed?.verified ?? verified}`,
  })
}

async function measure(one, servers) {
  const [figure, limit] = [new Turns(), new Turns()]
  // Where each batch is a frame, a server that keeps the frames does what the broker does; and to
  // one subscriber nothing is sent more often than it is kept.
  const isKept = one.ahead === inStep || one.subscribers === 1
  const appending = isKept ? new Turns() : undefined
  const path = join(servers.scratch, 'raw-log')
  for (let turn = -warmUps; turn < shortRepetitions; turn += 1) {
    const limitReport = await turnOfRaw(servers.raw, one)
    const appendingReport = appending && (await turnOfRaw(servers.raw, one, path))
    const report = await turnOfBroker(servers, one)
    if (turn < 0) continue
    limit.add(limitReport)
    appending?.add(appendingReport)
    figure.add(report)
  }
  addCase(one, figure, limit, { appending })
}

/** Some do not read: what the others get is compared with what all would. */
async function measureStalled(servers) {
  const { subscribers, stalled } = stalling
  const load = { records: 100, recordBytes: 100 }
  const frames = framesFor(subscribers)
  const healthy = subscribers - stalled
  const name = `${healthy} subscribers beside ${stalled} that do not read`
  const all = { subscribers: healthy, frames, load, ahead: inStep }
  const one = { ...all, name, subscribers, stalled }
  const figure = new Turns()
  const limit = new Turns()
  const memory = new Series()
  for (let turn = -warmUps; turn < repetitions; turn += 1) {
    const limitReport = await turnOfBroker(servers, all)
    const report = await turnOfBroker(servers, one)
    if (turn < 0) continue
    limit.add(limitReport)
    figure.add(report)
    memory.add(report.kibibytesPerStalled)
  }
  addCase(one, figure, limit, { limitName: 'the same, none stalled' })
  addRow('memory of one that does not read', memory, 'KiB', {
    params: { subscribers, stalled, creditBytes },
    cpuSeconds: figure.cpuSeconds,
    check: `verified: true, ${figure.last.resumed.verified}`,
  })
}

/** One consumer reads everything that is there, from memory. */
async function measureReplay({ raw, broker, control }) {
  await control.createStream(stream, 1)
  await broker.ask({ do: 'fill', stream, frames: replayFrames, ...replay })
  const server = { port: broker.port, serverPid: broker.pid, stream, from: 'oldest' }
  for (const credit of [creditBytes, 4 * creditBytes]) {
    const one = {
      name: `replay, 64 KiB frames, ${credit / 1024} KiB of credit`,
      subscribers: 1,
      frames: replayFrames,
      load: replay,
      ahead: replayFrames,
    }
    const figure = new Turns()
    const limit = new Turns()
    for (let turn = -1; turn < repetitions; turn += 1) {
      const limitReport = await turnOfRaw(raw, one)
      const generator = await startSubscribers({ ...server, ...expected(one), credit })
      const report = await generator.next()
      await generator.stop()
      if (turn < 0) continue
      limit.add(limitReport)
      figure.add(report)
    }
    addCase(one, figure, limit, { as: inGigabytes })
  }
  await control.deleteStream(stream)
}

const parts = {
  F1: (servers) => measureBoth(fanOut(100, '100 records a batch'), servers),
  F2: (servers) => measureBoth(fanOut(1, 'one record a batch'), servers),
  F3: measureStalled,
  R1: measureReplay,
}

await withServers(startRawFanOut, { logOptions, limits }, async (servers) => {
  for (const [part, run] of Object.entries(parts)) if (wants(part)) await run(servers)
})
printReport()
