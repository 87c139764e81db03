// Subscribers that do not read, beside some that do: what they cost the broker and the kernel, and
// that they miss nothing when they go on, on their old connection or on a new one.
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { judgeLateness, LoopWatch, lateText } from '../broker/loop-watch.mjs'
import { atMostTwice, kernelMemory, mebibytes, memoryOf, percentile } from '../broker/resources.mjs'
import { checkFailures, subscribeAll, until } from '../broker/subscriber-crowd.mjs'
import { CREDIT_BYTES, SubscriberLane } from '../broker/subscriber-lane.mjs'
import { createStream, PUT_RECORDS, putRecordsPlaces, WireClient } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'ticks'
const RATE = 2000
const RECORDS_PER_PUT = 20
const DATA_BYTES = 100
const HEALTHY_MIN = 5
// A subscriber that does not read is sent to until its credit is used up. Then it stalls, and only
// from then on times are taken.
const FILL_SECONDS = { ci: 3, full: 10 }
const LOAD_SECONDS = { ci: 3, full: 50 }
const ALONE_SECONDS = { ci: 2, full: 15 }
// Whoever owes credit is cut off after 60 s, at the heartbeat that follows.
const CUT_SECONDS_MAX = 75
const CATCH_UP_SECONDS_MAX = 60
const QUIET_MILLIS = 300
const MEMORY_BYTES_MAX = 128 * 1024 * 1024
const KERNEL_BYTES_MAX = 300 * 1024 * 1024
const PRODUCED_SHARE_MIN = 0.9
const CLOSE_SLOW_CONSUMER = 4408
// Of a record: array of 2, key of one character, head of the data.
const DATA_AT = 5

// Puts records by a timetable, each with the time at which it was to be put.
async function produce(client, seconds) {
  const puts = (seconds * RATE) / RECORDS_PER_PUT
  const start = performance.now()
  const answers = []
  for (let put = 0; put < puts; put += 1) {
    const due = start + (put * 1000 * RECORDS_PER_PUT) / RATE
    if (due > performance.now()) await wait(due - performance.now())
    const data = Buffer.alloc(DATA_BYTES)
    data.writeDoubleBE(due)
    const records = Array.from({ length: RECORDS_PER_PUT }, () => ['k', data])
    answers.push(client.ask(PUT_RECORDS, STREAM, 'os', records, null, 0, 0))
  }
  const last = putRecordsPlaces((await Promise.all(answers)).at(-1)).at(-1).sequence
  const share = (seconds * 1000) / (performance.now() - start)
  return { next: last + 1n, share: Math.min(1, share) }
}

class Rig {
  constructor(context, broker, port) {
    this.context = context
    this.broker = broker
    this.port = port
    this.latencies = []
    const { count } = context
    const record = (records) => {
      this.latencies.push(performance.now() - records.readDoubleBE(DATA_AT))
    }
    const lanes = (length, onBatch) =>
      Array.from({ length }, () => new SubscriberLane(port, STREAM, onBatch))
    this.healthy = lanes(Math.max(HEALTHY_MIN, Math.ceil(count / 10)), record)
    this.stalled = lanes(count)
  }

  get all() {
    return [...this.healthy, ...this.stalled]
  }

  async caughtUp(lanes, next) {
    const isSo = () => lanes.every((lane) => lane.next === next || lane.failure !== null)
    await until(isSo, CATCH_UP_SECONDS_MAX, 'subscribers have not caught up')
    checkFailures(lanes)
  }

  // The p99 and p99.9 of healthy subscribers while records are put.
  async load(client, seconds) {
    this.latencies.length = 0
    const { next, share } = await produce(client, seconds)
    await this.caughtUp(this.healthy, next)
    const [p99, p999] = [0.99, 0.999].map((it) => percentile(this.latencies, it))
    return { next, share, p99, p999 }
  }

  // Watches memory while something goes on; answers how much more there was at most.
  async whileWatched(work) {
    const before = { memory: memoryOf(this.broker.pid), kernel: kernelMemory() }
    const most = { memory: 0, kernel: 0 }
    const timer = setInterval(() => {
      most.memory = Math.max(most.memory, memoryOf(this.broker.pid) - before.memory)
      most.kernel = Math.max(most.kernel, kernelMemory() - before.kernel)
    }, 100)
    try {
      return { ...(await work()), most }
    } finally {
      clearInterval(timer)
    }
  }

  // Half of them go on as they are. The others lose their connections first: in the full tier the
  // broker cuts them off, as nothing came back from them for a minute.
  async resumeAll(next) {
    const held = this.stalled.filter((_, index) => index % 2 === 0)
    const lost = this.stalled.filter((_, index) => index % 2 === 1)
    for (const lane of held) lane.readHeld()
    await wait(QUIET_MILLIS)
    checkFailures(held)
    const least = Math.min(...held.map((lane) => lane.heldBytes))
    if (least < CREDIT_BYTES / 2) {
      throw new TortureFailure(`one that was stalled had ${least} bytes on their way: no stall`)
    }
    for (const lane of held) if (!lane.isEnded) lane.resume()
    if (this.context.tier === 'full') {
      for (const lane of lost) lane.readHeld()
      const areCut = () => lost.every((lane) => lane.isEnded)
      await until(areCut, CUT_SECONDS_MAX, 'subscribers that owe credit are not cut off')
    }
    const cut = lost.filter((lane) => lane.closeCode === CLOSE_SLOW_CONSUMER).length
    for (const lane of lost) lane.destroy()
    checkFailures(lost)
    if (this.context.tier === 'full' && cut < lost.length) {
      throw new TortureFailure(`${lost.length - cut} of ${lost.length} were not cut with 4408`)
    }
    const ended = [...lost, ...held.filter((lane) => lane.isEnded)]
    for (const lane of ended) lane.resume()
    await subscribeAll(ended)
    await this.caughtUp(this.all, next)
    return cut
  }
}

async function makeRig(context) {
  const port = await freePort(context.random)
  const broker = new BrokerProcess(context.directory, port)
  context.cleanup(() => broker.kill())
  const client = await WireClient.connect(await broker.ready())
  await createStream(client, STREAM, 1)
  const rig = new Rig(context, broker, port)
  context.cleanup(() => {
    for (const lane of rig.all) lane.destroy()
    client.close()
  })
  return { rig, client }
}

function judge({ tier }, alone, loaded, late) {
  const { most, share, p99 } = loaded
  const wrong = []
  if (most.memory > MEMORY_BYTES_MAX) wrong.push(`${mebibytes(most.memory)} MiB more memory`)
  if (most.kernel > KERNEL_BYTES_MAX) wrong.push(`${mebibytes(most.kernel)} MiB in the kernel`)
  if (share < PRODUCED_SHARE_MIN) wrong.push(`${Math.round(share * 100)} % of the records in time`)
  if (tier === 'full' && !atMostTwice(p99, alone.p99)) {
    const without = `${alone.p99.toFixed(1)} ms without stalled ones`
    wrong.push(`p99 ${p99.toFixed(1)} ms, ${without}; ${lateText(late)}`)
  }
  if (wrong.length > 0) throw new TortureFailure(wrong.join('; '), { details: { alone, loaded } })
}

async function runTest(context) {
  const { tier, count } = context
  const { rig, client } = await makeRig(context)
  const watch = new LoopWatch(context, rig.port)
  await subscribeAll(rig.healthy)
  const before = await rig.load(client, ALONE_SECONDS[tier])
  const loaded = await rig.whileWatched(async () => {
    await subscribeAll(rig.stalled)
    for (const lane of rig.stalled) lane.stall()
    await rig.load(client, FILL_SECONDS[tier])
    return await rig.load(client, LOAD_SECONDS[tier])
  })
  context.progress(count / 2, 'stalled')
  const cut = await rig.resumeAll(loaded.next)
  context.progress(count)
  for (const lane of rig.stalled) lane.destroy()
  // A machine with other guests has slow minutes: what comes between is judged by the slower side.
  const after = await rig.load(client, ALONE_SECONDS[tier])
  const alone = before.p99 > after.p99 ? before : after
  const late = await watch.finish()
  const status = await rig.broker.stop()
  const { complaints } = rig.broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  judge(context, alone, loaded, late)
  judgeLateness(tier, late)
  const { memory, kernel } = loaded.most
  return {
    trials: count,
    note:
      `beside ${rig.healthy.length} others: memory ${mebibytes(memory)} MiB more, ` +
      `kernel ${mebibytes(kernel)} MiB, p99 ${loaded.p99.toFixed(1)} ms ` +
      `(${alone.p99.toFixed(1)} ms without), p99.9 ${loaded.p999.toFixed(1)} ms, ${cut} cut off; ` +
      lateText(late),
    details: { ...loaded.most, p99: loaded.p99, p99Alone: alone.p99, share: loaded.share, cut },
  }
}

export const tests = [
  {
    id: 'T-S1',
    title: 'subscribers that do not read',
    unit: 'stalled subscribers',
    counts: { ci: 20, full: 1000 },
    skip: needBuild,
    run: runTest,
  },
]
