// node kinesis-load.mjs PORT RECORDS RECORDS_PER_REQUEST IN_FLIGHT: puts records of 100 B with random
// keys into a new stream of 4 shards over the API of Kinesis, reads them all back, and says on
// standard output what the puts took, as JSON. Bodies are made before the clock starts.
import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { someBytes } from '../micro/some-bytes.mjs'

const shardCount = 4
const recordBytes = 100
const bodies = 64
const pollMillis = 20

const [port, wanted, recordsPerRequest, inFlight] = process.argv.slice(2).map(Number)
const requests = Math.ceil(wanted / recordsPerRequest)
const StreamName = `bench-${randomUUID()}`
const agent = new Agent({ keepAlive: true, maxSockets: inFlight })

// They look whether a request is signed, and by whom, but not at the signature.
const headers = {
  'Content-Type': 'application/x-amz-json-1.1',
  'X-Amz-Date': '20260101T000000Z',
  Authorization:
    'AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/kinesis/aws4_request, ' +
    'SignedHeaders=host;x-amz-date, Signature=0',
}

/** The body of an answer as it came. */
function post(operation, body) {
  return new Promise((resolve, reject) => {
    const target = { 'X-Amz-Target': `Kinesis_20131202.${operation}` }
    const length = { 'Content-Length': body.length }
    const options = { host: '127.0.0.1', port, method: 'POST', path: '/', agent }
    const sent = request(
      { ...options, headers: { ...headers, ...target, ...length } },
      (answer) => {
        const chunks = []
        answer.on('data', (chunk) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          if (answer.statusCode === 200) resolve(text)
          else reject(new Error(`${operation}: ${answer.statusCode} ${text}`))
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

const call = async (operation, input) => {
  const text = await post(operation, Buffer.from(JSON.stringify(input)))
  return text === '' ? {} : JSON.parse(text)
}

const record = (seed) => ({
  PartitionKey: randomUUID(),
  Data: Buffer.from(someBytes(recordBytes, seed)).toString('base64'),
})

function makeBody(number) {
  const first = number * recordsPerRequest + 1
  const records = Array.from({ length: recordsPerRequest }, (_, i) => record(first + i))
  const input = recordsPerRequest === 1 ? records[0] : { Records: records }
  return Buffer.from(JSON.stringify({ StreamName, ...input }))
}

async function createStream() {
  await call('CreateStream', { StreamName, ShardCount: shardCount })
  for (;;) {
    const { StreamDescription } = await call('DescribeStream', { StreamName })
    if (StreamDescription.StreamStatus === 'ACTIVE') return StreamDescription.Shards
    await setTimeout(pollMillis)
  }
}

/** Sends all requests; an answer that refuses a record ends it. */
async function putAll() {
  const operation = recordsPerRequest === 1 ? 'PutRecord' : 'PutRecords'
  const made = Array.from({ length: Math.min(bodies, requests) }, (_, i) => makeBody(i))
  let next = 0
  const one = async () => {
    while (next < requests) {
      const body = made[next % made.length]
      next += 1
      const answer = await post(operation, body)
      if (recordsPerRequest > 1 && !/"FailedRecordCount":0\b/.test(answer)) {
        throw new Error(`records were refused: ${answer.slice(0, 300)}`)
      }
    }
  }
  const cpuStart = process.cpuUsage()
  const start = process.hrtime.bigint()
  await Promise.all(Array.from({ length: inFlight }, one))
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(cpuStart)
  return { seconds, generatorIdleShare: Math.max(0, 1 - (user + system) / 1e6 / seconds) }
}

async function countRecords({ ShardId }) {
  const from = { StreamName, ShardId, ShardIteratorType: 'TRIM_HORIZON' }
  let { ShardIterator } = await call('GetShardIterator', from)
  let count = 0
  for (;;) {
    const answer = await call('GetRecords', { ShardIterator, Limit: 10_000 })
    count += answer.Records.length
    if (answer.Records.length === 0) return count
    ShardIterator = answer.NextShardIterator
  }
}

const shards = await createStream()
const figure = await putAll()
let there = 0
for (const shard of shards) there += await countRecords(shard)
const records = requests * recordsPerRequest
if (there !== records) throw new Error(`${there} records are there, not ${records}`)
await call('DeleteStream', { StreamName })
agent.destroy()
process.stdout.write(
  `${JSON.stringify({ records, ...figure, check: `${there} records read back` })}\n`,
)
