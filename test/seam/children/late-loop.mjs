// Appends while the event loop does not get to hear of the round before. Prints how many rounds were
// put off for it.
import { BatchBuilder, openLog, sequenceNumber } from './millrace.mjs'

const log = await openLog({ dir: process.argv[2] })
const [id] = await log.createShards([sequenceNumber(1n)])
const builder = new BatchBuilder()
builder.add('key', new Uint8Array(20))
const shard = log.shard(id)

/** Waits without the event loop. */
function spinUntil(condition) {
  const deadline = Date.now() + 20_000
  while (!condition() && Date.now() < deadline);
}

for (let i = 0; i < 10; i += 1) {
  await log.append(id, builder) // the loop hears of this one
  for (let late = 0; late < 2; late += 1) {
    const before = shard.committedEnd
    void log.append(id, builder)
    spinUntil(() => shard.committedEnd > before)
  }
}
const { syncWaitCount } = await log.stats()
await log.close()
process.stdout.write(`${syncWaitCount}\n`)
