// T-K0n: children append through the addon and are killed, abort, run out of memory, or terminate
// their worker, again and again over the life of one directory. After each the parent opens it and
// checks that everything acknowledged is there, once, in order, with the bytes that were sent; that
// numbers have no gap; and that no number ever had two contents.
//   node crash-loop.mjs --seed <number> --count <rounds> [--directory <directory>]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { constants, openLog, seededRandom } from '../seam/children/millrace.mjs'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    count: { type: 'string', default: '30' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const seed = Number(values.seed)
const count = Number(values.count)
const random = seededRandom(seed)
const writer = fileURLToPath(new URL('children/writer.mjs', import.meta.url))
const options = { segmentBytesMin: 64 * 1024, segmentBytesMax: 256 * 1024, diskLowWaterBytes: 1 }
const endings = ['kill', 'kill', 'kill', 'abort', 'terminate', 'memory']
const openMillisMax = 20_000

/** Shard id -> first sequence number -> { count, hash }, over the life of the directory. */
const history = new Map()
let acknowledged = 0

function remember(shard, sequence, batch, isAcknowledged) {
  const batches = history.get(shard) ?? new Map()
  history.set(shard, batches)
  const known = batches.get(sequence)
  if (known !== undefined && (known.hash !== batch.hash || known.count !== batch.count)) {
    throw new Error(`shard ${shard}: sequence number ${sequence} has two contents`)
  }
  batches.set(sequence, {
    ...batch,
    isAcknowledged: isAcknowledged || known?.isAcknowledged === true,
  })
}

function takeLine(line) {
  const [word, shard, sequence, records, hash] = line.split(' ')
  if (word !== 'ack' || hash?.length !== 32) return
  remember(shard, BigInt(sequence), { count: Number(records), hash }, true)
  acknowledged += 1
}

/** Runs one writer to its end; answers how it ended. */
function runWriter(directory, ending, writerSeed, delay) {
  const flags = ending === 'memory' ? ['--max-old-space-size=24'] : []
  const child = spawn(process.execPath, [...flags, writer, directory, String(writerSeed), ending], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const guard = setTimeout(() => child.kill('SIGKILL'), openMillisMax)
  let left = ''
  let errors = ''
  let killing = false
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors = (errors + text).slice(-4000)
  })
  child.stdout.setEncoding('utf8').on('data', (text) => {
    if (!killing && ending === 'kill') {
      killing = true
      setTimeout(() => child.kill('SIGKILL'), delay)
    }
    // A line that was cut by the kill says nothing.
    const lines = (left + text).split('\n')
    left = lines.pop()
    lines.forEach(takeLine)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(guard)
      resolve({ code, signal, errors })
    })
  })
}

function* batchesOf(bytes) {
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { firstSequenceAt, countAt, recordsLengthAt, headerBytes } = constants.batch
  for (let at = 0; at < bytes.length; ) {
    const end = at + headerBytes + fields.getUint32(at + recordsLengthAt)
    const records = fields.getUint32(at + countAt)
    if (records > 0) {
      const hash = createHash('md5')
        .update(bytes.subarray(at + headerBytes, end))
        .digest('hex')
      yield { sequence: fields.getBigUint64(at + firstSequenceAt), count: records, hash }
    }
    at = end
  }
}

async function checkShard(log, shard) {
  const stats = await log.shardStats(shard)
  if (stats.damaged.length > 0) throw new Error(`shard ${shard} has damage: ${stats.damaged}`)
  const batches = history.get(String(shard)) ?? new Map()
  let expected = stats.firstSequenceNumber
  const seen = new Set()
  let position = stats.trimmedStart
  for (;;) {
    const slice = await log.read(shard, { position }, 256 * 1024)
    if (slice.bytes.length === 0) break
    for (const batch of batchesOf(slice.bytes)) {
      if (batch.sequence !== expected)
        throw new Error(`shard ${shard}: ${batch.sequence} instead of ${expected}`)
      expected += BigInt(batch.count)
      remember(String(shard), batch.sequence, { count: batch.count, hash: batch.hash }, false)
      seen.add(batch.sequence)
    }
    position = slice.nextPosition
  }
  for (const [sequence, batch] of batches) {
    if (sequence < stats.firstSequenceNumber) batches.delete(sequence)
    else if (batch.isAcknowledged && !seen.has(sequence)) {
      throw new Error(`shard ${shard}: the acknowledged batch ${sequence} is lost`)
    }
  }
  if (expected !== stats.nextSequenceNumber)
    throw new Error(`shard ${shard} ends at ${expected}, not ${stats.nextSequenceNumber}`)
}

async function checkDirectory(directory) {
  const log = await openLog({ ...options, dir: directory })
  for (const shard of await log.listShards()) await checkShard(log, shard)
  await log.close()
}

const base = mkdtempSync(join(values.directory, 'millrace-crash-'))
const directory = join(base, 'log')
const tally = {}
try {
  for (let round = 0; round < count; round += 1) {
    const ending = endings[Math.floor(random() * endings.length)]
    const result = await runWriter(directory, ending, Math.floor(random() * 2 ** 31), random() * 20)
    const expectedEnd = ending === 'terminate' ? result.code === 0 : result.signal !== null
    if (!expectedEnd)
      throw new Error(`round ${round}: a ${ending} ended with ${JSON.stringify(result)}`)
    tally[ending] = (tally[ending] ?? 0) + 1
    // Some are followed by another at once, so that a recovery is killed too.
    if (random() < 0.7) await checkDirectory(directory)
  }
  await checkDirectory(directory)
  rmSync(base, { recursive: true })
  process.stdout.write(
    `T-K0n: ${count} rounds ${JSON.stringify(tally)}, ${acknowledged} batches acknowledged, ` +
      `0 violations, seed ${seed}\n`,
  )
} catch (error) {
  process.stderr.write(
    `T-K0n failed, its directory is ${base}; again:\n` +
      `node test/crash/crash-loop.mjs --seed ${seed} --count ${count}\n${error.stack}\n`,
  )
  process.exitCode = 1
}
