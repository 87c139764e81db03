// Appends to the first shard of a log that another thread has open too.
import { workerData } from 'node:worker_threads'
import { BatchBuilder, openLog } from './millrace.mjs'

const log = await openLog({ dir: workerData.dir })
const [id] = await log.listShards()
const builder = new BatchBuilder()
for (let i = 0; i < workerData.count; i += 1) {
  builder.clear()
  builder.add(`key-${i}`, new Uint8Array(20))
  await log.append(id, builder)
}
await log.close()
