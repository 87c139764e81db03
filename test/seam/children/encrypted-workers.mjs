// Threads that share one encrypted log: each appends to a shard of its own and reads it; the main
// thread then looks at what is on disk. Prints { batches, nonces }.
//   node encrypted-workers.mjs <directory>
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { BatchBuilder, openLog, SliceCursor, sequenceNumber } from './millrace.mjs'

const THREADS = 3
const BATCHES = 200
// In front of the records of an encrypted batch (native/FORMAT.md): header, then salt and counter.
const SALT_AT = 76 + 12
const SALT_AND_COUNTER_BYTES = 24

async function readAll(log, shard, options, take) {
  let from = { sequenceNumber: sequenceNumber(1n) }
  for (;;) {
    const slice = await log.read(shard, from, 1, options)
    if (slice.bytes.length === 0) return
    if (slice.recordCount > 0) take(slice.bytes)
    from = { position: slice.nextPosition }
  }
}

async function work({ dir, shard }) {
  const log = await openLog({ dir, diskLowWaterBytes: 1 })
  const builder = new BatchBuilder()
  builder.add('key', new Uint8Array(100).fill(Number(shard)))
  const appended = Array.from({ length: BATCHES }, () =>
    log.append(shard, builder, { durability: 'os' }),
  )
  await Promise.all(appended)
  let records = 0
  await readAll(log, shard, { borrow: true }, (bytes) => {
    for (const { data } of new SliceCursor(bytes)) {
      if (data.every((it) => it === Number(shard))) records += 1
    }
  })
  await log.close()
  if (records !== BATCHES) throw new Error(`shard ${shard} has ${records} records`)
}

async function main(dir) {
  const log = await openLog({ dir, diskLowWaterBytes: 1 })
  const shards = await log.createShards(Array.from({ length: THREADS }, () => sequenceNumber(1n)))
  const [key] = log.setKeys([{ id: 'k1', bytes: new Uint8Array(32).fill(1) }])
  log.setEncryption(shards, key)
  const workers = shards.map((shard) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { dir, shard } })
    return new Promise((resolve, reject) => {
      worker.once('error', reject)
      worker.once('exit', resolve)
    })
  })
  await Promise.all(workers)
  const nonces = new Set()
  let batches = 0
  for (const shard of shards) {
    await readAll(log, shard, { asStored: true }, (bytes) => {
      batches += 1
      const nonce = bytes.subarray(SALT_AT, SALT_AT + SALT_AND_COUNTER_BYTES)
      nonces.add(Buffer.from(nonce).toString('hex'))
    })
  }
  await log.close()
  console.log(JSON.stringify({ batches, nonces: nonces.size }))
}

if (isMainThread) await main(process.argv[2])
else await work(workerData)
