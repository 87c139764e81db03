// What the Node benches share: the command line of the native ones, series of figures, the same
// JSON on standard output, and logs in known states.
//
//   node <bench>.mjs [--load full|quick|tiny] [--dir DIR] [--part NAME]
//
// MILLRACE_BENCH_DIST is the folder of the compiled package, MILLRACE_BENCH_FLOOR the addon of
// floor.c; the runner sets both.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { medianOf } from '../lib/values.mjs'
import { loadFloor } from './floor.mjs'
import { loadPart } from './package.mjs'
import { someBytes } from './some-bytes.mjs'

export { loadFloor, loadPart, someBytes }

/** The package as its users get it. */
export const millrace = await loadPart('index.js')
/** What src/log/ keeps for itself. */
export const { binding } = await loadPart('log/binding.js')

const { values } = parseArgs({
  options: {
    load: { type: 'string', default: 'full' },
    dir: { type: 'string', default: '.' },
    part: { type: 'string', default: '' },
    'memory-dir': { type: 'string', default: '' },
  },
})
const loads = ['full', 'quick', 'tiny']
if (!loads.includes(values.load)) throw new RangeError(`--load is one of ${loads.join(', ')}`)

/** The value for the load that was asked for. */
export const pick = (full, quick, tiny) => [full, quick, tiny][loads.indexOf(values.load)]
export const wants = (part) => values.part === '' || values.part === part

/** A folder of the bench's own, for as long as `run` takes. */
export async function withScratch(run) {
  const scratch = mkdtempSync(join(values.dir, 'millrace-bench-'))
  try {
    await run(scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** CPU seconds of the JavaScript thread: unlike wall time they do not count what others ran. */
export function threadSeconds() {
  const text = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8')
  return Number(text.split(' ')[0]) / 1e9
}

export class Series {
  #values = []

  add(value) {
    this.#values.push(value)
  }

  get median() {
    return medianOf(this.#values)
  }

  /** The same figures in another unit. */
  scaled(factor) {
    const scaled = new Series()
    for (const value of this.#values) scaled.add(value * factor)
    return scaled
  }

  get fields() {
    return {
      value: this.median,
      low: Math.min(...this.#values),
      high: Math.max(...this.#values),
      repetitions: this.#values.length,
    }
  }
}

const rows = []

/**
 * Adds a row of the report; `info` and `params` are figures and facts beside the figure,
 * `cpuSeconds` those of `broker` and `generator` in the last turn, `paired` the median ratios of turns
 * that were taken in pairs, each with the interval around it.
 */
export function addRow(name, series, unit, options = {}) {
  const { params = {}, info = {}, check = '' } = options
  const more = Object.fromEntries(
    ['limit', 'paired', 'cpuSeconds', 'percentiles']
      .filter((it) => options[it])
      .map((it) => [it, options[it]]),
  )
  rows.push({ name, params, ...series.fields, unit, ...more, info, check })
}

/** `skipped` says what there is no row of, and why. */
export function printReport({ skipped } = {}) {
  process.stdout.write(`${JSON.stringify({ rows, skipped })}\n`)
}

/**
 * Runs `work` several times and answers its rates, by wall clock and by CPU time of this thread.
 * `work` answers how many records it handled; `prepare` runs before each, outside the clock.
 */
export async function measureRates({ repetitions, warmUps = 2, prepare = async () => {}, work }) {
  const wall = new Series()
  const cpu = new Series()
  for (let repetition = -warmUps; repetition < repetitions; repetition += 1) {
    await prepare()
    const cpuStart = threadSeconds()
    const start = process.hrtime.bigint()
    const records = await work()
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    const cpuSeconds = threadSeconds() - cpuStart
    if (repetition >= 0) {
      wall.add(records / seconds)
      cpu.add(records / Math.max(cpuSeconds, 1e-6))
    }
  }
  return { wall, cpu }
}

const segmentBytes = 64 * 1024 * 1024

/** One size of segment from the start, no scrub, and no low-water mark that a small disk meets. */
export const logOptions = {
  segmentBytesMin: segmentBytes,
  segmentBytesMax: segmentBytes,
  scrubBytesPerSecond: 0,
  diskLowWaterBytes: 1,
}

/** Opens a log with segments of one size in a folder of its own, and removes it afterwards. */
export async function withLog(shardCount, run) {
  await withScratch(async (scratch) => {
    const log = await millrace.openLog({ dir: join(scratch, 'log'), ...logOptions })
    const first = millrace.sequenceNumber(1n)
    const shards = await log.createShards(Array.from({ length: shardCount }, () => first))
    await run(log, shards)
    await log.close()
  })
}

/** Frees all segments but the last of each shard, so that the next appends recycle them. */
export async function trimAll(log, shards) {
  await log.flush()
  for (const shard of shards) {
    const { committedNextSequenceNumber } = await log.shardStats(shard)
    await log.trim(shard, committedNextSequenceNumber)
  }
  await log.flush()
  await setTimeout(pick(300, 100, 1))
}

/** The records of all shards, which must all be there. */
export async function countRecords(log, shards) {
  let records = 0n
  for (const shard of shards) {
    const stats = await log.shardStats(shard)
    if (stats.committedNextSequenceNumber !== stats.nextSequenceNumber) {
      throw new Error(`shard ${shard}: records are appended and not committed`)
    }
    records += stats.nextSequenceNumber - 1n
  }
  return Number(records)
}

/** Fails the bench when the log does not hold what was put into it. */
export async function checkRecords(log, shards, expected) {
  const records = await countRecords(log, shards)
  if (records !== expected) throw new Error(`the log holds ${records} records, not ${expected}`)
  return `${records} records`
}

export const sizeName = (bytes) => (bytes === 1024 ? '1 KiB' : `${bytes} B`)
