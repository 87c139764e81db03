// S1: how long it takes to change the shards of a stream, from the call until it is ACTIVE again, at
// rest and while records are put (part change), and what a look at shards costs of which none has had
// anything, for streams that scale by themselves (part look). The clock of the daily limit of
// UpdateShardCount stands still: each repetition has a stream of its own.
import { join } from 'node:path'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import {
  addRow,
  loadPart,
  logOptions,
  millrace,
  pick,
  printReport,
  Series,
  someBytes,
  threadSeconds,
  wants,
  withScratch,
} from './harness.mjs'

const { Broker } = await loadPart('broker/broker.js')
const { Streams } = await loadPart('stream/streams.js')
const operations = await loadPart('wire/operations.js')
const { encodePutRecords } = await loadPart('wire/put-builder.js')

const smallLog = { ...logOptions, segmentBytesMin: 65_536, segmentBytesMax: 4 * 1024 * 1024 }
/** More than a bench puts: it is not throttling that is measured. */
const shardLimits = { recordsPerSecond: 2 ** 40, bytesPerSecond: 2 ** 40, bytesBurst: 2 ** 40 }
const recordsPerRequest = 100
const framesInFlight = 8

async function withBroker(run) {
  await withScratch(async (scratch) => {
    const dir = join(scratch, 'data')
    const broker = await Broker.open({ dir, logOptions: smallLog, shardLimits })
    await run(broker)
    await broker.close()
  })
}

async function untilActive(broker, streamName) {
  for (;;) {
    const summary = await broker.call(operations.describeStreamSummary, { streamName })
    if (summary.streamStatus === 'ACTIVE') return summary.openShardCount
    await nextTurn()
  }
}

/** Puts to a stream until it is told to stop, a few requests at a time. */
class Load {
  records = 0
  #isOver = false
  #ended

  constructor(broker, streamName) {
    this.#ended = Promise.all(
      Array.from({ length: framesInFlight }, (_, at) => this.#run(broker, streamName, at + 1)),
    )
  }

  async stop() {
    this.#isOver = true
    await this.#ended
  }

  async #run(broker, streamName, seed) {
    const records = Array.from({ length: recordsPerRequest }, (_, i) => ({
      key: `key-${seed}-${i}`,
      data: someBytes(100, seed),
    }))
    const frame = encodePutRecords(seed, { streamName, durability: 'disk' }, records)
    while (!this.#isOver) {
      await new Promise((resolve) => broker.put(frame, resolve))
      this.records += recordsPerRequest
    }
  }
}

const many = pick(64, 64, 8)
const changes = [
  ['a split', 4, (broker, streamName) => split(broker, streamName), 5],
  ['a merge', 4, (broker, streamName) => merge(broker, streamName), 3],
  ['4 to 8 shards', 4, (broker, streamName) => scale(broker, streamName, 8), 8],
  ['8 to 4 shards', 8, (broker, streamName) => scale(broker, streamName, 4), 4],
  [
    `${many} to ${2 * many} shards`,
    many,
    (broker, name) => scale(broker, name, 2 * many),
    2 * many,
  ],
  [`${2 * many} to ${many} shards`, 2 * many, (broker, name) => scale(broker, name, many), many],
]

const split = (broker, streamName) =>
  broker.call(operations.splitShard, { streamName, shardToSplit: '0' })
const merge = (broker, streamName) =>
  broker.call(operations.mergeShards, { streamName, shardToMerge: '0', adjacentShardToMerge: '1' })
const scale = (broker, streamName, targetShardCount) =>
  broker.call(operations.updateShardCount, { streamName, targetShardCount })

async function benchChange(isLoaded) {
  const repetitions = pick(5, 2, 1)
  for (const [name, shardCount, change, wanted] of changes) {
    const millis = new Series()
    let records = 0
    await withBroker(async (broker) => {
      for (let repetition = -1; repetition < repetitions; repetition += 1) {
        const streamName = `s${repetition + 1}`
        const create = { streamName, shardCount, streamMode: 'PROVISIONED' }
        await broker.call(operations.createStream, create)
        await untilActive(broker, streamName)
        const load = isLoaded ? new Load(broker, streamName) : undefined
        if (load !== undefined) await sleep(pick(500, 200, 1))
        const before = load?.records ?? 0
        const start = performance.now()
        await change(broker, streamName)
        const open = await untilActive(broker, streamName)
        if (repetition >= 0) millis.add(performance.now() - start)
        records += (load?.records ?? 0) - before
        if (open !== wanted) throw new Error(`${name}: ${open} shards are open, not ${wanted}`)
        await load?.stop()
      }
    })
    addRow(`${name}, ${isLoaded ? 'while records are put' : 'at rest'}`, millis, 'ms', {
      params: { shards: shardCount },
      ...(isLoaded ? { info: { recordsPutMeanwhile: records } } : {}),
      check: `${wanted} open shards`,
    })
  }
}

async function benchLook() {
  const streamCount = pick(100, 100, 4)
  const shardCount = pick(100, 20, 4)
  const repetitions = pick(20, 10, 2)
  // The clock of the thread is a coarse one.
  const looks = 10
  const millis = new Series()
  await withScratch(async (scratch) => {
    const log = await millrace.openLog({ dir: join(scratch, 'log'), ...smallLog })
    const onServing = ({ number, shards }) =>
      log.setRoutes(
        number,
        [...shards.values()].map((it) => ({ shard: it.number, endingHashKey: it.endingHashKey })),
      )
    const onError = (error) => {
      throw error
    }
    const streams = await Streams.open(log, { now: Date.now, onServing, onError })
    for (let at = 0; at < streamCount; at += 1) {
      await streams.create({ streamName: `s${at}`, shardCount })
    }
    while ([...streams.all].some((it) => it.status !== 'ACTIVE')) await sleep(5)
    const { length } = await log.shardTraffic()
    if (length !== streamCount * shardCount) throw new Error(`${length} shards are measured`)
    for (let repetition = -5; repetition < repetitions; repetition += 1) {
      const start = threadSeconds()
      for (let look = 0; look < looks; look += 1) await streams.scaling.look()
      if (repetition >= 0) millis.add(((threadSeconds() - start) * 1000) / looks)
    }
    await streams.close()
    await log.close()
  })
  addRow('a look at shards of which none has had anything', millis, 'ms', {
    params: { shards: streamCount * shardCount },
    info: { microsPerShard: (millis.median * 1000) / (streamCount * shardCount) },
    check: `${streamCount * shardCount} shards measured`,
  })
}

if (wants('change')) {
  await benchChange(false)
  await benchChange(true)
}
if (wants('look')) await benchLook()
printReport()
