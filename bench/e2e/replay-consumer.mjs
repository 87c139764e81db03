// A consumer as users write one: the client of the package, in a process of its own, reads a stream
// from its beginning and looks at what it is told to. Prints what it found as JSON.
//
//   node replay-consumer.mjs PORT STREAM RECORDS LOOK SERVER_PID
import { cpuSecondsOf, ownCpuSeconds } from '../lib/process.mjs'
import { loadPart } from '../micro/package.mjs'
import { looks } from './looks.mjs'

const [port, stream, recordsText, look, serverPid] = process.argv.slice(2)
const records = Number(recordsText)
const { connect } = await loadPart('client/node.js')
const consume = looks[look]

function take(batch, next) {
  if (next !== undefined && batch.firstSequenceNumber !== next) {
    throw new Error(`record ${batch.firstSequenceNumber} came instead of ${next}`)
  }
  sum += consume(batch)
  return batch.firstSequenceNumber + BigInt(batch.recordCount)
}

const client = await connect(`ws://127.0.0.1:${port}`)
let seen = 0
let sum = 0
let next
const serverCpuStart = cpuSecondsOf(serverPid)
const cpuStart = ownCpuSeconds()
const start = performance.now()
for await (const batch of client.subscribe(stream, { from: 'oldest' })) {
  next = take(batch, next)
  seen += batch.recordCount
  if (seen >= records) break
}
const seconds = (performance.now() - start) / 1000
const cpuSeconds = ownCpuSeconds() - cpuStart
const serverCpuSeconds = cpuSecondsOf(serverPid) - serverCpuStart
if (seen !== records) throw new Error(`${seen} records came instead of ${records}`)
await client.close()
const verified = `${seen} records, each once and in order, sum ${sum}`
const idleShare = 1 - cpuSeconds / seconds
const report = { records: seen, seconds, serverCpuSeconds, cpuSeconds, idleShare, verified }
process.stdout.write(`${JSON.stringify(report)}\n`)
