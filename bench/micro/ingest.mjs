// PutRecords from Node: whole requests of 500 records with random keys over 4 shards, `os`
// durability, on recycled segments.
import { randomBytes } from 'node:crypto'
import {
  addRow,
  checkRecords,
  measureRates,
  millrace,
  pick,
  printReport,
  sizeName,
  someBytes,
  trimAll,
  withLog,
} from './harness.mjs'

const recordsPerRequest = 500
const bodyCount = 16
const inFlight = 16
const routes = 1

/**
 * The body of a request, see native/ingest/request_scanner.h: records, no hash keys, no
 * producer.
 */
function makeBody(recordBytes) {
  const builder = new millrace.BatchBuilder()
  for (let i = 0; i < recordsPerRequest; i += 1) {
    builder.add(randomBytes(8).toString('hex'), someBytes(recordBytes, i + 1))
  }
  const array = Buffer.from([0xdc, recordsPerRequest >>> 8, recordsPerRequest & 0xff])
  const rest = Buffer.from([0xc0, 0x00, 0x00])
  return Buffer.concat([array, builder.bytes, rest])
}

function evenRoutes(shards) {
  const step = 2n ** 128n / BigInt(shards.length)
  return shards.map((shard, i) => ({
    shard,
    endingHashKey: i + 1 === shards.length ? 2n ** 128n - 1n : step * BigInt(i + 1) - 1n,
  }))
}

/** Several requests at a time, as a server has them from its connections. */
async function putAll(log, bodies, requests) {
  for (let i = 0; i < requests; i += inFlight) {
    const group = Math.min(inFlight, requests - i)
    const answers = await Promise.all(
      Array.from({ length: group }, (_, k) =>
        log.putRecords(routes, bodies[(i + k) % bodyCount], { durability: 'os' }),
      ),
    )
    if (answers.some((answer) => answer.failedCount !== 0)) throw new Error('records were refused')
  }
}

async function bench(recordBytes) {
  await withLog(4, async (log, shards) => {
    log.setRoutes(routes, evenRoutes(shards))
    const bodies = Array.from({ length: bodyCount }, () => makeBody(recordBytes))
    const requests = Math.max(4, Math.floor(pick(256e6, 96e6, 1e6) / bodies[0].length))
    let put = 0
    const { wall, cpu } = await measureRates({
      repetitions: pick(9, 5, 1),
      prepare: () => trimAll(log, shards),
      work: async () => {
        await putAll(log, bodies, requests)
        put += requests * recordsPerRequest
        return requests * recordsPerRequest
      },
    })
    const check = await checkRecords(log, shards, put)
    addRow(`PutRecords from Node, 500 x ${sizeName(recordBytes)}`, wall, 'records/s', {
      params: {
        recordBytes,
        shards: shards.length,
        requestsInFlight: inFlight,
        durability: 'os',
        memory: 'recycled segments',
      },
      info: {
        gigabytesPerSecond: (wall.median * recordBytes) / 1e9,
        recordsPerCpuSecond: cpu.median,
      },
      check,
    })
  })
}

await bench(100)
await bench(1024)
printReport()
