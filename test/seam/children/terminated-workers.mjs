// Workers that share a log with the main thread are terminated at random, in the middle of whatever
// they do.
//   node terminated-workers.mjs <directory> <seed> <count>
import { setTimeout } from 'node:timers/promises'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { BatchBuilder, binding, openLog, seededRandom, sequenceNumber } from './millrace.mjs'

async function work() {
  const log = await openLog({ dir: workerData.directory })
  const [id] = await log.listShards()
  const shard = log.shard(id)
  const builder = new BatchBuilder()
  builder.add('key', new Uint8Array(500))
  parentPort.postMessage('ready')
  for (let round = 0; ; round += 1) {
    for (let i = 0; i < 20; i += 1) shard.appendBatch(builder)
    const { nextPosition } = await log.read(id, { position: shard.committedEnd }, 1000)
    const oldest = (await log.shardStats(id)).firstSequenceNumber
    await log.read(id, { sequenceNumber: oldest }, 64 * 1024, { borrow: true }).catch(() => 0)
    void log.tail(id, nextPosition).catch(() => 0)
    if (round % 3 === 0) void log.flush().catch(() => 0)
    if (round % 5 === 4) await shard.acknowledged()
    if (round % 7 === 6) void openLog({ dir: workerData.directory })
  }
}

async function main() {
  const [directory, seedText, countText] = process.argv.slice(2)
  const random = seededRandom(Number(seedText))
  const log = await openLog({ dir: directory })
  const [id] = await log.createShards([sequenceNumber(1n)])
  for (let cycle = 0; cycle < Number(countText); cycle += 1) {
    const worker = new Worker(new URL(import.meta.url), { workerData: { directory } })
    if (random() < 0.8) await new Promise((resolve) => worker.once('message', resolve))
    await setTimeout(random() * 8)
    await worker.terminate()
    // Keeps the log small.
    const { committedNextSequenceNumber, firstSequenceNumber } = await log.shardStats(id)
    if (committedNextSequenceNumber > firstSequenceNumber)
      await log.trim(id, committedNextSequenceNumber - 1n)
  }
  const builder = new BatchBuilder()
  builder.add('last', new Uint8Array(1))
  const { firstSequenceNumber } = await log.append(id, builder)
  await log.close()
  const reopened = await openLog({ dir: directory })
  const stats = await reopened.shardStats(id)
  await reopened.close()
  const { openedClean } = await (async () => {
    const again = await openLog({ dir: directory })
    const logStats = await again.stats()
    await again.close()
    return logStats
  })()
  for (let i = 0; i < 50 && binding.liveMappings() > 0; i += 1) {
    globalThis.gc()
    await setTimeout(5)
  }
  process.stdout.write(
    JSON.stringify({
      cycles: Number(countText),
      last: String(firstSequenceNumber),
      next: String(stats.nextSequenceNumber),
      openedClean,
      liveMappings: binding.liveMappings(),
    }),
  )
}

await (isMainThread ? main() : work())
