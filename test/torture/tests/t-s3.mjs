// One subscriber with very much to read beside 99 that have a little: these are served alike, and
// soon.
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { mebibytes, percentile } from '../broker/resources.mjs'
import { checkFailures, subscribeAll, until } from '../broker/subscriber-crowd.mjs'
import { SubscriberLane } from '../broker/subscriber-lane.mjs'
import { createStream, PUT_RECORDS, putRecordsPlaces, WireClient } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const EQUALS = 99
const JAIN_MIN = 0.95
// Later than without the one that has very much to read, by so much at the most.
const LAG_MILLIS_MAX = 50
const SECONDS_MAX = 60
// What a firehose reads again and again, and what each of the others has to catch up with.
const FIREHOSE = { stream: 'firehose', puts: 512, records: 2, dataBytes: 65_000 }
// A dozen times the credit: what is sent ahead of it must not hide who is served.
const BACKLOG = { stream: 'small', puts: 300, records: 10, dataBytes: 1000 }
const CATCH_UPS = { ci: 1, full: 5 }
const RATE = 100
const DATA_BYTES = 100
const FIREHOSE_BYTES_MIN = 4 * 1024 * 1024
// Of a record: array of 2, key of one character, head of the data.
const DATA_AT = 5
const firehose = new URL('../broker/firehose.mjs', import.meta.url)

// Answers the number behind the last record.
async function fill(client, { stream, puts, records, dataBytes }) {
  const batch = new Array(records).fill(['k', new Uint8Array(dataBytes)])
  let last
  for (let put = 0; put < puts; put += 1) {
    last = putRecordsPlaces(await client.ask(PUT_RECORDS, stream, 'os', batch, null, 0, 0)).at(-1)
  }
  return last.sequence + 1n
}

// 1 where all have the same, 1/n where one has everything.
function jainIndex(counts) {
  const sum = counts.reduce((total, it) => total + it, 0)
  const squares = counts.reduce((total, it) => total + it * it, 0)
  return sum ** 2 / (counts.length * squares)
}

class Rig {
  constructor(context, port, client) {
    this.context = context
    this.client = client
    this.lags = []
    this.lanes = Array.from({ length: EQUALS }, (_, at) => {
      const onBatch = (records) => this.lags[at]?.push(performance.now() - timeOf(records))
      return new SubscriberLane(port, BACKLOG.stream, onBatch)
    })
    this.port = port
    context.cleanup(() => {
      for (const lane of this.lanes) lane.destroy()
    })
  }

  // All of them have the same to read. Answers what the index is when half has come.
  async catchUp(next) {
    const { lanes } = this
    for (const lane of lanes) {
      lane.destroy()
      lane.next = 1n
    }
    await subscribeAll(lanes, EQUALS)
    const half = (Number(next - 1n) * EQUALS) / 2
    const counts = () => lanes.map((lane) => Number(lane.next - 1n))
    const isHalf = () => counts().reduce((total, it) => total + it, 0) >= half
    const isOver = () => isHalf() || lanes.some((lane) => lane.failure !== null)
    await until(isOver, SECONDS_MAX, 'half has not come')
    checkFailures(lanes)
    const index = jainIndex(counts())
    await this.caughtUp(next)
    return index
  }

  async caughtUp(next) {
    const isSo = () => this.lanes.every((lane) => lane.next === next || lane.failure !== null)
    await until(isSo, SECONDS_MAX, 'subscribers have not caught up')
    checkFailures(this.lanes)
  }

  // Puts records by a timetable, each with the time at which it is due. Answers the p99 of how late
  // they came to the one to which they came latest, and the number behind the last.
  async lag(seconds) {
    this.lags = this.lanes.map(() => [])
    const start = performance.now()
    const answers = []
    for (let put = 0; put < seconds * RATE; put += 1) {
      const due = start + (put * 1000) / RATE
      if (due > performance.now()) await wait(due - performance.now())
      const data = Buffer.alloc(DATA_BYTES)
      data.writeDoubleBE(due)
      answers.push(this.client.ask(PUT_RECORDS, BACKLOG.stream, 'os', [['k', data]], null, 0, 0))
    }
    const last = (await Promise.all(answers)).map(putRecordsPlaces).at(-1).at(-1)
    await this.caughtUp(last.sequence + 1n)
    return Math.max(...this.lags.map((it) => percentile(it, 0.99)))
  }
}

const timeOf = (records) => records.readDoubleBE(DATA_AT)

// A subscriber that reads a whole stream again and again until it is stopped, which answers how much.
function startFirehose(context, port, next) {
  const worker = new Worker(firehose, { workerData: { port, stream: FIREHOSE.stream, next } })
  context.cleanup(() => worker.terminate())
  return async () => {
    worker.postMessage('how much')
    const [bytes] = await once(worker, 'message')
    await worker.terminate()
    return bytes
  }
}

function judge({ tier }, { index, lag, alone, bytes }) {
  const told =
    `Jain index ${index.toFixed(3)} among ${EQUALS}; p99 of the last of them ` +
    `${lag.toFixed(1)} ms (${alone.toFixed(1)} ms without), beside one that read ` +
    `${mebibytes(bytes)} MiB`
  const isLate = tier === 'full' && lag > alone + LAG_MILLIS_MAX
  if (index < JAIN_MIN || bytes < FIREHOSE_BYTES_MIN || isLate) throw new TortureFailure(told)
  return told
}

async function runTest(context) {
  const { tier, count } = context
  const port = await freePort(context.random)
  const broker = new BrokerProcess(context.directory, port)
  context.cleanup(() => broker.kill())
  const client = await WireClient.connect(await broker.ready())
  context.cleanup(() => client.close())
  for (const { stream } of [FIREHOSE, BACKLOG]) await createStream(client, stream, 1)
  const next = await fill(client, FIREHOSE)
  const backlog = await fill(client, BACKLOG)

  const rig = new Rig(context, port, client)
  const stop = startFirehose(context, port, next)
  const indexes = []
  for (let at = 0; at < CATCH_UPS[tier]; at += 1) indexes.push(await rig.catchUp(backlog))
  const lag = await rig.lag(count / 2)
  const bytes = await stop()
  const alone = await rig.lag(count / 2)
  const status = await broker.stop()
  if (broker.complaints.length > 0) throw new TortureFailure(broker.complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  return { trials: count, note: judge(context, { index: Math.min(...indexes), lag, alone, bytes }) }
}

export const tests = [
  {
    id: 'T-S3',
    title: 'one subscriber with very much to read beside 99 with a little',
    unit: 'seconds',
    counts: { ci: 2, full: 60 },
    skip: needBuild,
    run: runTest,
  },
]
