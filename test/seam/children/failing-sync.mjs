// Appends while every sync fails: pending acknowledgements and readers are told, and so is what
// comes after.
//   MILLRACE_FAIL=<file> LD_PRELOAD=<fail-sync.so> node failing-sync.mjs <directory>
import { writeFileSync } from 'node:fs'
import { BatchBuilder, openLog, sequenceNumber } from './millrace.mjs'

const log = await openLog({ dir: process.argv[2] })
const [id, other] = await log.createShards([sequenceNumber(1n), sequenceNumber(1n)])
const builder = new BatchBuilder()
builder.add('key', new Uint8Array(100))
const first = await log.append(id, builder)
await log.append(other, builder)

const code = (promise) =>
  promise.then(
    () => 'resolved',
    (error) => error.code,
  )
const tail = code(log.tail(id, first.endPosition))
writeFileSync(process.env.MILLRACE_FAIL, '')
const shard = log.shard(id)
const pending = []
for (let i = 0; i < 10; i += 1) {
  try {
    pending.push(code(log.append(id, builder)))
  } catch (error) {
    pending.push(error.code)
  }
}
const acknowledged = code(shard.acknowledged())
const answers = await Promise.all(pending)
const told = {
  answers: [...new Set(answers)],
  tail: await tail,
  acknowledged: await acknowledged,
  afterwards: await code(log.append(id, builder)),
  acknowledgedAfterwards: await code(shard.acknowledged()),
  first: await code(log.read(id, { sequenceNumber: first.firstSequenceNumber }, 1000)),
  close: await code(log.close()),
}
process.stdout.write(`${JSON.stringify(told)}\n`)
