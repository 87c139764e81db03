// T1: what retention costs. Records are made to expire by clocks that are moved by hand, and the
// work of src/stream/retention.ts is measured: the processor time of all threads of the process for
// what is trimmed (part trim), that of a look at many shards (part sweep), and memory with little
// and with much that is retained (part memory).
import { setTimeout as sleep } from 'node:timers/promises'
import { addRow, pick, printReport, Series, wants } from './harness.mjs'
import { heldKibibytes } from './held-memory.mjs'
import {
  batchOf,
  checkEmpty,
  expiryMillis,
  fill,
  gigabyte,
  mebibyte,
  retainedBytes,
  withStream,
} from './retained.mjs'
import { benchTrim } from './trimming.mjs'

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

async function benchMemory() {
  const little = pick(gigabyte, 0.2 * gigabyte, mebibyte)
  const much = pick(20 * gigabyte, 1 * gigabyte, 4 * mebibyte)
  await withStream(4, {}, async ({ log, shards, streams }) => {
    const measured = []
    let retained = 0
    for (const bytes of [little, much]) {
      retained += await fill(log, shards, bytes - retained)
      await streams.retention.sweep()
      // Maps and indexes that nobody has used for a while are given up.
      await sleep(pick(5000, 2000, 1))
      measured.push((await heldKibibytes()) / 1024)
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

if (wants('trim')) await benchTrim()
if (wants('sweep')) await benchSweep()
if (wants('memory')) await benchMemory()
printReport()
