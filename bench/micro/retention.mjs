// T1: what retention costs. Records are made to expire by clocks that are moved by hand, and the
// work of src/stream/retention.ts is measured: the processor time of all threads of the process for
// what is trimmed (part trim), that of a look at many shards (part sweep), and memory with little
// and with much that is retained (part memory).
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  addRow,
  loadPart,
  logOptions,
  millrace,
  pick,
  printReport,
  Series,
  someBytes,
  threadSeconds,
  wants,
  withScratch,
} from './harness.mjs'

const { Streams } = await loadPart('stream/streams.js')

const mebibyte = 1024 * 1024
const gigabyte = 1e9
const streamName = 'retained'
const expiryMillis = 25 * 3_600_000
/** What the goal is about. */
const trimmedBytesOfGoal = 100 * gigabyte

/** The clocks of a machine on which time goes by when it is told to. */
class Clocks {
  bootId = 'bench'
  #wall = Date.now()
  #steady = 0
  now = () => this.#wall

  millis() {
    return this.#steady
  }

  pass(millis) {
    this.#wall += millis
    this.#steady += millis
  }
}

async function withStream(shardCount, options, run) {
  await withScratch(async (scratch) => {
    const dir = join(scratch, 'data')
    const log = await millrace.openLog({ dir, ...logOptions, ...options })
    const clocks = new Clocks()
    const onError = (error) => {
      throw error
    }
    const onServing = () => undefined
    const parts = { now: clocks.now, steadyClock: clocks, onServing, onError }
    const streams = await Streams.open(log, parts)
    await streams.create({ streamName, shardCount })
    while (streams.require(streamName).status !== 'ACTIVE') await sleep(1)
    const shards = [...streams.require(streamName).shards.values()].map((it) => it.number)
    await run({ dir, log, streams, clocks, shards })
    await streams.close()
    await log.close()
  })
}

function batchOf(recordCount) {
  const builder = new millrace.BatchBuilder()
  for (let i = 0; i < recordCount; i += 1) builder.add(`key-${i}`, someBytes(1024, i + 1))
  return { bytes: Buffer.from(builder.bytes), count: builder.count }
}

/** Appends so many bytes in batches of about 1 MiB, to each shard in turn. */
async function fill(log, shards, bytes) {
  const batch = batchOf(1000)
  let appended = 0
  for (let i = 0; appended < bytes; i += 1) {
    await log.append(shards[i % shards.length], batch, { durability: 'os' })
    appended += batch.bytes.length
  }
  await log.flush()
  return appended
}

async function sumOf(log, shards, figureOf) {
  let sum = 0
  for (const shard of shards) sum += figureOf(await log.shardStats(shard))
  return sum
}

const segmentsOf = (log, shards) => sumOf(log, shards, (it) => it.segmentCount)
const retainedBytes = (log, shards) =>
  sumOf(log, shards, (it) => Number(it.committedEnd - it.trimmedStart))

/** Fails the bench when something is left that has expired. */
async function checkEmpty(log, shards, trimmed) {
  // Records: a shard that is quiet for a while is given marks that have none.
  const left = await sumOf(log, shards, (it) =>
    Number(it.nextSequenceNumber - it.firstSequenceNumber),
  )
  if (left > 0) throw new Error(`${left} records are left that have expired`)
  return `${Math.round(trimmed / mebibyte)} MiB trimmed`
}

function processSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Waits until the files of what was trimmed are gone: each shard keeps the one it writes. */
async function untilFreed(log, shards) {
  // Seldom, as looking takes processor time, too.
  while ((await segmentsOf(log, shards)) > shards.length) await sleep(pick(50, 20, 1))
}

/** Gives up what the kernel has of the files of a log: what has been retained for a day is on disk. */
function dropFromMemory(dir) {
  for (const name of readdirSync(join(dir, 'log'))) {
    execFileSync('dd', [`if=${join(dir, 'log', name)}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}

async function benchTrim(name, isCached) {
  const bytes = pick(4 * gigabyte, gigabyte, 2 * mebibyte)
  const repetitions = pick(3, 2, 1)
  const ofGoal = new Series()
  const thread = new Series()
  let check = ''
  let segments = 0
  const smaller = pick({}, {}, { segmentBytesMin: 65_536, segmentBytesMax: 65_536 })
  await withStream(4, smaller, async ({ dir, log, streams, clocks, shards }) => {
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      const appended = await fill(log, shards, bytes)
      // What the committer and the helper have to do with what was appended is done.
      await sleep(pick(1000, 500, 1))
      if (!isCached) dropFromMemory(dir)
      segments = await segmentsOf(log, shards)
      clocks.pass(expiryMillis)
      const cpuStart = processSeconds()
      const threadStart = threadSeconds()
      await streams.retention.sweep()
      thread.add(((threadSeconds() - threadStart) * trimmedBytesOfGoal) / appended)
      await untilFreed(log, shards)
      ofGoal.add(((processSeconds() - cpuStart) * trimmedBytesOfGoal) / appended)
      check = await checkEmpty(log, shards, appended)
    }
  })
  const microsPerSegment = (ofGoal.median * 1e6 * bytes) / trimmedBytesOfGoal / segments
  addRow(name, ofGoal, 's', {
    params: { bytes, shards: 4, memory: isCached ? 'cached' : 'on disk alone' },
    info: { segments, microsPerSegment, ofJavaScriptThread: thread.median },
    check,
  })
}

/** By the wall clock: the kernel counts the time of a thread in steps that are too long for this. */
async function sweepMillis(streams) {
  const start = performance.now()
  await streams.retention.sweep()
  return performance.now() - start
}

async function benchSweep() {
  const shardCount = pick(10_000, 2000, 20)
  const repetitions = pick(5, 3, 1)
  const small = { segmentBytesMin: 65_536, segmentBytesMax: 65_536, spareSegments: 16 }
  const batch = batchOf(1)
  await withStream(shardCount, small, async ({ log, streams, clocks, shards }) => {
    const idle = new Series()
    const due = new Series()
    let check = ''
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      await Promise.all(shards.map((it) => log.append(it, batch, { durability: 'os' })))
      await log.flush()
      clocks.pass(expiryMillis)
      due.add(await sweepMillis(streams))
      check = await checkEmpty(log, shards, shardCount * batch.bytes.length)
      clocks.pass(3_600_000)
      idle.add(await sweepMillis(streams))
    }
    const params = { shards: shardCount }
    // One comes every 5 minutes.
    const info = { shareOfProcessor: idle.median / 300_000 }
    addRow('a look at shards of which none has anything expired', idle, 'ms', {
      params,
      info,
      check: `${shardCount} shards looked at`,
    })
    addRow('a look at shards of which each has something expired', due, 'ms', {
      params,
      info: { microsPerShard: (due.median * 1000) / shardCount },
      check,
    })
  })
}

/** Memory that no file is behind, in MiB. */
function anonymousMebibytes() {
  globalThis.gc?.()
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
}

async function benchMemory() {
  const little = pick(gigabyte, 0.2 * gigabyte, mebibyte)
  const much = pick(20 * gigabyte, 2 * gigabyte, 4 * mebibyte)
  await withStream(4, {}, async ({ log, shards, streams }) => {
    const measured = []
    let retained = 0
    for (const bytes of [little, much]) {
      retained += await fill(log, shards, bytes - retained)
      await streams.retention.sweep()
      // Maps and indexes that nobody has used for a while are given up.
      await sleep(pick(5000, 2000, 1))
      measured.push(anonymousMebibytes())
    }
    const check = `${Math.round((await retainedBytes(log, shards)) / mebibyte)} MiB retained`
    const [before, after] = measured
    const params = { bytes: much, shards: 4 }
    addRow('memory, little retained', seriesOf(before), 'MiB', {
      params: { ...params, bytes: little },
      check: `${Math.round(little / mebibyte)} MiB retained`,
    })
    addRow('memory, much retained', seriesOf(after), 'MiB', { params, check })
    addRow('memory, more for 20 times as much', seriesOf(Math.max(0, after - before)), 'MiB', {
      params,
      info: { megabytesRetained: retained / 1e6 },
      check,
    })
  })
}

function seriesOf(value) {
  const series = new Series()
  series.add(value)
  return series
}

if (wants('trim')) {
  await benchTrim('processor time of trimming 100 GB', false)
  await benchTrim('processor time of trimming 100 GB that the kernel has in memory', true)
}
if (wants('sweep')) await benchSweep()
if (wants('memory')) await benchMemory()
printReport()
