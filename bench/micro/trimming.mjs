// The processor time of trimming, of all threads of the process, with what is trimmed on disk alone
// and with all of it in the page cache.
//
// Several sizes in turns, and the line through them: what a trim takes in any case, and the files
// that are kept for new segments and so cost nothing, are in its start and not in its slope.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addRow, pick, Series, threadSeconds } from './harness.mjs'
import {
  checkEmpty,
  expiryMillis,
  fill,
  gigabyte,
  mebibyte,
  segmentsOf,
  withStream,
} from './retained.mjs'

/** What the goal is about: so many gigabytes, in so many seconds. */
const gigabytesOfGoal = 100
const secondsOfGoal = 1

// More than the 16 files that are kept for new segments hold, or nothing would be freed.
const segmentBytes = pick(64, 16, 1 / 16) * mebibyte
const segmentSizes = { segmentBytesMin: segmentBytes, segmentBytesMax: segmentBytes }
const onDiskSizes = pick([2, 6, 18], [0.2, 0.6], [0.002, 0.004]).map((it) => it * gigabyte)
const cachedSizes = pick([2, 4, 8], [0.2, 0.6], [0.002, 0.004]).map((it) => it * gigabyte)

/** Of the log, that plain files are made like. */
const bareFiles = pick(40, 40, 2)
const block = Buffer.alloc(mebibyte, 0x5a)

const name = 'processor time of trimming 100 GB'
const nameCached = `${name} that the kernel has in memory`
const nameMixed = `${name}, memory full of it`

function processSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** What the kernel holds of files, in bytes. */
function pageCacheBytes() {
  const info = readFileSync('/proc/meminfo', 'utf8')
  return Number(/^Cached:\s+(\d+) kB$/m.exec(info)?.[1] ?? 0) * 1024
}

const filesOf = (dir) => readdirSync(join(dir, 'log')).length

/** Waits until the files of what was trimmed are gone: each shard keeps the one it writes. */
async function untilFreed({ dir, log, shards }) {
  // A shard counts a segment no more before its file is gone. Seldom, as looking takes time, too.
  for (let files = 0; files !== filesOf(dir) || (await segmentsOf(log, shards)) > shards.length; ) {
    files = filesOf(dir)
    await sleep(pick(100, 40, 20))
  }
}

/** Gives up what the kernel has of the files of a folder: what has been retained for a day is on disk. */
function dropFromMemory(folder) {
  for (const file of readdirSync(folder)) {
    execFileSync('dd', [`if=${join(folder, file)}`, 'iflag=nocache', 'count=0', 'status=none'])
  }
}

/** A file of so many bytes, on disk. */
function writeFile(path, bytes) {
  const fd = openSync(path, 'wx')
  for (let left = bytes; left > 0; left -= block.length) {
    writeSync(fd, block, 0, Math.min(left, block.length))
  }
  fsyncSync(fd)
  closeSync(fd)
}

/**
 * Processor seconds that removing files takes without a log, for each gigabyte in them: plain files
 * as large as some of those of the log are.
 */
function removeBare(dir, isCached) {
  const log = join(dir, 'log')
  const files = readdirSync(log).toSorted().slice(0, bareFiles)
  const sizes = files.map((file) => statSync(join(log, file)).size)
  const folder = join(dir, '..', 'bare')
  mkdirSync(folder)
  for (const [i, size] of sizes.entries()) writeFile(join(folder, `${i}`), size)
  if (!isCached) dropFromMemory(folder)
  const start = processSeconds()
  for (const i of sizes.keys()) unlinkSync(join(folder, `${i}`))
  const seconds = processSeconds() - start
  rmdirSync(folder)
  return (seconds * gigabyte) / sizes.reduce((sum, it) => sum + it, 0)
}

/** Fills a stream, trims all of it, and answers what that took. */
async function trimOnce(stream, bytes, isCached) {
  const { dir, log, streams, clocks, shards } = stream
  const appended = await fill(log, shards, bytes)
  // What the committer and the helper have to do with what was appended is done.
  await sleep(pick(1000, 100, 1))
  if (!isCached) dropFromMemory(join(dir, 'log'))
  const bare = removeBare(dir, isCached)
  const segments = await segmentsOf(log, shards)
  clocks.pass(expiryMillis)
  const cacheBefore = pageCacheBytes()
  const cpuStart = processSeconds()
  const threadStart = threadSeconds()
  await streams.retention.sweep()
  const thread = threadSeconds() - threadStart
  await untilFreed(stream)
  return {
    gigabytes: appended / gigabyte,
    seconds: processSeconds() - cpuStart,
    thread,
    segments,
    bare,
    cachedShare: Math.max(0, cacheBefore - pageCacheBytes()) / appended,
    check: await checkEmpty(log, shards, appended),
  }
}

/** The straight line that is nearest to points of gigabytes and seconds, by least squares. */
function lineThrough(points) {
  const mean = (of) => points.reduce((sum, it) => sum + of(it), 0) / points.length
  const x = mean((it) => it.gigabytes)
  const y = mean((it) => it.seconds)
  const rise = mean((it) => (it.gigabytes - x) * (it.seconds - y))
  // Sizes that are too small to tell: as if nothing were free.
  if (rise <= 0) return { slope: y / x, start: 0 }
  const slope = rise / mean((it) => (it.gigabytes - x) ** 2)
  return { slope, start: y - slope * x }
}

/** Adds the row of one kind; answers what 100 GB take and what a gigabyte more does. */
async function benchSizes(rowName, isCached, sizes, repetitions) {
  const ofGoal = new Series()
  const slopes = new Series()
  const bare = new Series()
  let largest
  await withStream(4, segmentSizes, async (stream) => {
    // Files that are there when a turn begins are those of the turn before, in each of them.
    await trimOnce(stream, sizes[0], isCached)
    for (let repetition = 0; repetition < repetitions; repetition += 1) {
      const points = []
      for (const bytes of sizes) points.push(await trimOnce(stream, bytes, isCached))
      const { slope, start } = lineThrough(points)
      slopes.add(slope)
      ofGoal.add(start + slope * gigabytesOfGoal)
      largest = points.at(-1)
      for (const point of points) bare.add(point.bare * gigabytesOfGoal)
    }
  })
  addRow(rowName, ofGoal, 's', {
    params: {
      bytes: sizes.join(' '),
      segmentBytes,
      shards: 4,
      memory: isCached ? 'cached' : 'on disk alone',
    },
    limit: { name: 'removing files of these sizes', value: bare.median, unit: 's' },
    info: {
      secondsPerGigabyte: slopes.median,
      secondsPerGigabyteOfLargest: largest.seconds / largest.gigabytes,
      microsPerSegment: (largest.seconds * 1e6) / largest.segments,
      ofJavaScriptThread: (largest.thread * gigabytesOfGoal) / largest.gigabytes,
      cachedShare: largest.cachedShare,
    },
    check: largest.check,
  })
  return { ofGoal, slope: slopes.median, check: largest.check }
}

export async function benchTrim() {
  const onDisk = await benchSizes(name, false, onDiskSizes, pick(3, 1, 1))
  const cached = await benchSizes(nameCached, true, cachedSizes, pick(3, 1, 1))
  // More than its memory a machine cannot hold.
  const inMemory = Math.min(gigabytesOfGoal, totalmem() / gigabyte)
  const more = cached.slope - onDisk.slope
  const mixed = new Series()
  mixed.add(onDisk.ofGoal.median + more * inMemory)
  addRow(nameMixed, mixed, 's', {
    params: { gigabytesInMemory: Math.round(inMemory) },
    info: {
      gigabytesInMemoryOfGoal: Math.max(0, (secondsOfGoal - onDisk.ofGoal.median) / more),
      memoryMebibytes: totalmem() / mebibyte,
    },
    check: onDisk.check,
  })
}
