// Appends for ever and says what was acknowledged, until it is killed, aborts, or its worker is
// terminated.
//   node writer.mjs <directory> <seed> <ending: kill | abort | terminate | memory>
// Lines on standard output: "ack <shard> <sequence> <count> <hash>", written in one go after each
// group.
import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import {
  BatchBuilder,
  openLog,
  seededRandom,
  sequenceNumber,
} from '../../seam/children/millrace.mjs'

const shardCount = 4
const options = { segmentBytesMin: 64 * 1024, segmentBytesMax: 256 * 1024, diskLowWaterBytes: 1 }

function makeBatch(random) {
  const builder = new BatchBuilder()
  const count = 1 + Math.floor(random() * 16)
  for (let i = 0; i < count; i += 1) {
    const bytes = Math.floor(random() ** 4 * 8000)
    builder.add(`key-${Math.floor(random() * 50)}`, new Uint8Array(bytes).fill(random() * 256))
  }
  return builder
}

async function write(directory, seed) {
  const random = seededRandom(seed)
  const log = await openLog({ ...options, dir: directory })
  let shards = await log.listShards()
  if (shards.length < shardCount) {
    const missing = Array.from({ length: shardCount - shards.length }, () => sequenceNumber(1n))
    shards = [...shards, ...(await log.createShards(missing))]
  }
  writeSync(1, 'open\n')
  for (let group = 0; ; group += 1) {
    const pending = Array.from({ length: 1 + Math.floor(random() * 8) }, async () => {
      const shard = shards[Math.floor(random() * shards.length)]
      const builder = makeBatch(random)
      const hash = createHash('md5').update(builder.bytes).digest('hex')
      const durability = random() < 0.2 ? 'os' : 'disk'
      const { firstSequenceNumber, count } = await log.append(shard, builder, { durability })
      return `ack ${shard} ${firstSequenceNumber} ${count} ${hash}\n`
    })
    writeSync(1, (await Promise.all(pending)).join(''))
    if (group % 50 === 49) {
      const shard = shards[Math.floor(random() * shards.length)]
      const { firstSequenceNumber, committedNextSequenceNumber } = await log.shardStats(shard)
      const target = committedNextSequenceNumber - 200n
      if (target > firstSequenceNumber) await log.trim(shard, target)
    }
  }
}

function fillMemory() {
  const kept = []
  for (;;) kept.push(new Array(100_000).fill(kept.length))
}

async function main() {
  const [directory, seedText, ending] = process.argv.slice(2)
  const seed = Number(seedText)
  const delay = seededRandom(seed + 1)() * 25
  if (ending === 'terminate') {
    const worker = new Worker(new URL(import.meta.url), { workerData: { directory, seed } })
    await new Promise((resolve) => worker.once('message', resolve))
    setTimeout(() => void worker.terminate().then(() => process.exit(0)), delay)
    return
  }
  if (ending === 'abort') setTimeout(() => process.abort(), 40 + delay)
  if (ending === 'memory') setTimeout(fillMemory, 40 + delay)
  await write(directory, seed)
}

if (isMainThread) {
  await main()
} else {
  parentPort.postMessage('started')
  await write(workerData.directory, workerData.seed)
}
