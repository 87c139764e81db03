// Ends a process in one of many ways while a log is busy; what matters is how it ends.
//   node exits.mjs <directory> <case>
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { BatchBuilder, openLog, sequenceNumber } from './millrace.mjs'

const [directory, name] = isMainThread ? process.argv.slice(2) : workerData
const builder = new BatchBuilder()
builder.add('key', new Uint8Array(100))

async function openShard() {
  const log = await openLog({ dir: directory })
  const ids = await log.listShards()
  const [id] = ids.length > 0 ? ids : await log.createShards([sequenceNumber(1n)])
  return { log, id }
}

const cases = {
  // Nothing waits: an open log does not keep the process alive.
  async forgotten() {
    await openShard()
  },
  async exitWhilePending() {
    const { log, id } = await openShard()
    for (let i = 0; i < 100; i += 1) void log.append(id, builder)
    process.exit(3)
  },
  async exitWhileOpening() {
    void openLog({ dir: directory })
    process.exit(3)
  },
  async exitWhileClosing() {
    const { log, id } = await openShard()
    void log.append(id, builder)
    void log.close()
    process.exit(3)
  },
  async exitWhileScrubbing() {
    const { log } = await openShard()
    void log.scrub()
    process.exit(3)
  },
  async uncaught() {
    const { log, id } = await openShard()
    log.shard(id).appendNow(builder.bytes, 1)
    setImmediate(() => {
      throw new Error('thrown on purpose')
    })
  },
  // The event loop stays alive for what is awaited.
  async awaited() {
    const { log, id } = await openShard()
    const answer = log.append(id, builder)
    void answer.then(() => process.stdout.write('acknowledged'))
  },
  async closeTwice() {
    const { log } = await openShard()
    await Promise.all([log.close(), log.close()])
    await log.close()
    process.stdout.write('closed')
  },
  async workerForgets() {
    if (!isMainThread) {
      const { log, id } = await openShard()
      log.shard(id).appendNow(builder.bytes, 1)
      parentPort.postMessage('done')
      return
    }
    const worker = new Worker(new URL(import.meta.url), { workerData: [directory, name] })
    const code = await new Promise((resolve) => worker.on('exit', resolve))
    const { log, id } = await openShard()
    const { nextSequenceNumber } = await log.shardStats(id)
    await log.close()
    process.stdout.write(`worker ${code}, next ${nextSequenceNumber}`)
  },
  async workerOutlivesClose() {
    if (!isMainThread) {
      const { log, id } = await openShard()
      parentPort.once('message', async () => {
        await log.append(id, builder)
        await log.close()
      })
      parentPort.postMessage('ready')
      return
    }
    const { log } = await openShard()
    const worker = new Worker(new URL(import.meta.url), { workerData: [directory, name] })
    await new Promise((resolve) => worker.once('message', resolve))
    await log.close()
    worker.postMessage('go on')
    const code = await new Promise((resolve) => worker.on('exit', resolve))
    process.stdout.write(`worker ${code}`)
  },
}

await cases[name]()
