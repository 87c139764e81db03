// What limits, metrics and permissions cost a broker for each put, without sockets: requests are
// handed to it in its own process, a few with and a few without in turns of milliseconds, in the order
// ABBA, so that whatever else the machine does falls on both alike. What that finds is held against the
// whole of a put over a socket by the rows of I2.
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { medianInterval } from '../lib/median-interval.mjs'
import {
  addRow,
  loadPart,
  logOptions,
  pick,
  printReport,
  Series,
  someBytes,
  withScratch,
} from './harness.mjs'

const { Broker } = await loadPart('broker/broker.js')
const { Gate } = await loadPart('server/access/gate.js')
const { Access } = await loadPart('server/access/access.js')
const { Session } = await loadPart('server/access/session.js')
const { newToken, tokenHash } = await loadPart('server/access/static-token.js')
const operations = await loadPart('wire/operations.js')
const monitoring = await loadPart('wire/monitoring-operations.js')
const { encodePutRecords } = await loadPart('wire/put-builder.js')

const recordsPerRequest = 500
const recordBytes = 100
const shardCount = 4
const framesOfTurn = pick(32, 16, 2)
const blocks = pick(3000, 12, 8)
/** Streams are made anew before they fill the page cache. */
const blocksPerStream = pick(100, 15, 4)
const warmUpBlocks = pick(50, 3, 0)
const scrapeEvery = pick(100, 10, 4)
const frameCount = 16

/** Limits that no load reaches: what is measured is what it costs to look at them. */
const shardLimits = { recordsPerSecond: 2 ** 40, bytesPerSecond: 2 ** 40, bytesBurst: 2 ** 40 }
const quiet = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} }

async function untilActive(broker, streamName) {
  for (;;) {
    const summary = await broker.call(operations.describeStreamSummary, { streamName })
    if (summary.streamStatus === 'ACTIVE') return
    await nextTurn()
  }
}

async function untilGone(broker, streamName) {
  for (;;) {
    const { streams } = await broker.stats()
    if (!streams.some((it) => it.streamName === streamName)) return
    await nextTurn()
  }
}

/** Frames for a stream, whose records have random keys. */
function framesFor(streamName) {
  const target = { streamName, durability: 'os' }
  return Array.from({ length: frameCount }, (_, at) => {
    const records = Array.from({ length: recordsPerRequest }, (_, i) => ({
      key: randomBytes(8).toString('hex'),
      data: someBytes(recordBytes, at * recordsPerRequest + i + 1),
    }))
    return encodePutRecords(at + 1, target, records)
  })
}

/** One side of a pair: a stream, and how a frame is handed to it. */
class Side {
  answered = 0
  counted = 0

  constructor(broker, name, { mode = 'ON_DEMAND', isMonitored = false, put } = {}) {
    this.broker = broker
    this.name = name
    this.mode = mode
    this.isMonitored = isMonitored
    this.put = put ?? ((frame, answer) => broker.put(frame, answer))
    this.frames = framesFor(name)
  }

  async open() {
    const { name: streamName, mode: streamMode } = this
    await this.broker.call(operations.createStream, { streamName, shardCount, streamMode })
    await untilActive(this.broker, streamName)
    if (!this.isMonitored) return
    const request = { streamName, shardLevelMetrics: ['ALL'] }
    await this.broker.call(monitoring.enableEnhancedMonitoring, request)
    await untilActive(this.broker, streamName)
  }

  /** Counts what it holds, and deletes it: its segments are what the next one writes to. */
  async close() {
    const { name: streamName } = this
    const { streams } = await this.broker.stats()
    const { appendRecords } = streams.find((it) => it.streamName === streamName)
    this.counted += appendRecords
    if (this.counted !== this.answered * recordsPerRequest) {
      throw new Error(`${this.counted} records of ${this.answered} requests`)
    }
    await this.broker.call(operations.deleteStream, { streamName })
    await untilGone(this.broker, streamName)
  }

  /** Microseconds of a turn: with durability `os` each put is answered before it returns. */
  turn() {
    const before = this.answered
    const answer = () => {
      this.answered += 1
    }
    const start = process.hrtime.bigint()
    for (let i = 0; i < framesOfTurn; i += 1) this.put(this.frames[i % frameCount], answer)
    const micros = Number(process.hrtime.bigint() - start) / 1e3
    if (this.answered - before !== framesOfTurn) throw new Error('a put was not answered')
    return micros
  }
}

/** A put as a connection takes it from who has shown a token. */
async function puttingAs(broker, scratch) {
  const path = join(scratch, 'access.json')
  const token = newToken('bench')
  const sha256 = tokenHash(token).toString('hex')
  const rates = { requestsPerSecond: 2 ** 40, bytesPerSecond: 2 ** 40 }
  const permissions = [{ actions: ['put', 'get'], streams: ['bench-*'] }]
  const principals = { bench: { permissions, limits: rates } }
  const rules = { principals, tokens: [{ id: 'bench', sha256, principal: 'bench' }] }
  writeFileSync(path, JSON.stringify(rules), { mode: 0o600 })
  const access = await Access.open({ path, logger: quiet })
  const limits = {
    authenticationMillisMax: 5000,
    unauthenticatedConnectionsMax: 10,
    unauthenticatedConnectionsPerAddressMax: 10,
    unauthenticatedMessageBytesMax: 8192,
    failedAuthenticationsBurst: 10,
    failedAuthenticationsPerSecond: 1,
    connectionRequestsPerSecond: 2 ** 40,
    connectionBytesPerSecond: 2 ** 40,
    connectionFramesPerSecond: 2 ** 40,
  }
  const gate = new Gate({ access, logger: quiet, limits, now: () => performance.now() })
  const identity = await access.identify(token)
  const session = new Session(gate, '127.0.0.1', identity, () => {})
  const put = (frame, answer) => {
    const refusal = session.refusal(frame.length)
    if (refusal !== undefined) throw refusal
    broker.put(frame, answer, session)
  }
  return { put, close: () => access.close() }
}

/** Turns of both sides, in blocks; the share that one costs of the other. */
async function measurePair(name, plain, other, meanwhile) {
  const ratios = []
  const cpuBefore = process.cpuUsage()
  const micros = { with: new Series(), without: new Series() }
  for (let block = -warmUpBlocks; block < blocks; block += 1) {
    if ((block + warmUpBlocks) % blocksPerStream === 0) {
      if (block > -warmUpBlocks) for (const side of [plain, other]) await side.close()
      for (const side of [plain, other]) await side.open()
    }
    const isTurned = block % 2 === 0
    const [first, second] = isTurned ? [plain, other] : [other, plain]
    const taken = [first.turn(), second.turn(), second.turn(), first.turn()]
    if (meanwhile && block % scrapeEvery === 0) await meanwhile()
    await nextTurn()
    if (block < 0) continue
    const outer = taken[0] + taken[3]
    const inner = taken[1] + taken[2]
    const [without, spent] = isTurned ? [outer, inner] : [inner, outer]
    ratios.push(without / spent)
    micros.with.add(spent / 2 / framesOfTurn)
    micros.without.add(without / 2 / framesOfTurn)
  }
  for (const side of [plain, other]) await side.close()
  const interval = medianInterval(ratios)
  const { user, system } = process.cpuUsage(cpuBefore)
  addRow(`a put of 500 x 100 B in process, ${name}`, micros.with, 'us', {
    params: { recordBytes, shards: shardCount, durability: 'os', blocks, framesOfTurn },
    limit: { name: 'the same without', value: micros.without.median, unit: 'us' },
    // The broker is all that there is: requests were made before.
    cpuSeconds: { broker: (user + system) / 1e6, generator: 0 },
    paired: { byClock: interval, byCpuTime: interval },
    check: `${other.counted} records counted`,
  })
}

await withScratch(async (scratch) => {
  const dir = join(scratch, 'data')
  const scaling = { disabled: true }
  const broker = await Broker.open({ dir, logOptions, shardLimits, scaling })
  const asked = await puttingAs(broker, scratch)
  const side = (name, options) => new Side(broker, `bench-${name}`, options)
  await measurePair('the same twice', side('plain'), side('again'))
  const limited = side('limited', { mode: 'PROVISIONED', isMonitored: true })
  const look = async () => void (await broker.stats())
  await measurePair('limits and metrics of shards', side('plain'), limited, look)
  const known = side('known', { put: asked.put })
  await measurePair('with permissions and rates', side('plain'), known)
  asked.close()
  await broker.close()
})
printReport()
