// A log that is dropped without a close is collected and closed; an awaited one is not.
//   node --expose-gc collected.mjs <directory>
import { setTimeout } from 'node:timers/promises'
import { BatchBuilder, binding, openLog, sequenceNumber, verify } from './millrace.mjs'

const dir = process.argv[2]
const builder = new BatchBuilder()
builder.add('key', new Uint8Array(100))

async function use() {
  const log = await openLog({ dir })
  const [id] = await log.createShards([sequenceNumber(1n)])
  await log.append(id, builder)
  const { bytes } = await log.read(id, { sequenceNumber: sequenceNumber(1n) }, 1000, {
    borrow: true,
  })
  if (bytes.length === 0) throw new Error('nothing was read')
  // The promise is all that is left of the log.
  return log.append(id, builder)
}

async function gcUntil(done) {
  for (let i = 0; i < 400; i += 1) {
    globalThis.gc()
    await setTimeout(5)
    if (await done()) return true
  }
  return false
}

const pending = use()
globalThis.gc()
const answer = await pending
const closed = await gcUntil(() =>
  verify(dir).then(
    () => true,
    (error) => {
      if (error.code !== 'LOG_LOCKED') throw error
      return false
    },
  ),
)
const unmapped = await gcUntil(async () => binding.liveMappings() === 0)
const log = await openLog({ dir })
const { openedClean } = await log.stats()
await log.close()
process.stdout.write(
  JSON.stringify({ first: String(answer.firstSequenceNumber), closed, unmapped, openedClean }),
)
