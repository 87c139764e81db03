// A group of four workers over 16 shards: workers are killed, stopped and continued, closed and
// added, and shards split and merged, all at random and at once, under producers that put numbered
// records of keys by a timetable. At the end what the workers wrote down, and what the broker said
// of leases and checkpoints meanwhile, is compared with what the group promises
// (broker/group-history.mjs).
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { tooLittle } from '../broker/group-activity.mjs'
import { GroupHistory } from '../broker/group-history.mjs'
import { clockMillis } from '../broker/group-lines.mjs'
import { GroupObserver } from '../broker/group-observer.mjs'
import { GroupWorkers } from '../broker/group-workers.mjs'
import { Rig } from '../broker/load.mjs'
import { MachineLag } from '../broker/machine-lag.mjs'
import { Resharder } from '../broker/resharder.mjs'
import { listShards } from '../broker/stream-lanes.mjs'
import {
  createStream,
  PUT_RECORDS,
  putRecordsPlaces,
  REGISTER_CONSUMER,
} from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'orders'
const CONSUMER = 'billing'
const SHARDS = 16
const RESHARDS = { openShards: { least: 10, most: 22 }, updateShare: 0 }
const RESHARD_MILLIS = 100
const LEASE_MILLIS = 2000
// What users are told is what is demanded: the time that they set, with the time between two looks.
// A machine that is late with timers and syncs of its own is allowed as much more as it was late in
// that very time (broker/group-owners.mjs), and no more than another lease.
const IDLE_MILLIS_MAX = LEASE_MILLIS
const LATE_MILLIS_MAX = LEASE_MILLIS
const PRODUCERS = 4
const KEYS = 16
const PUT_MILLIS = 50
const RECORDS_PER_PUT = 10
const DRAIN_MILLIS_MAX = 60_000

// Puts the next numbers of its keys by a timetable, whatever is acknowledged when.
async function produce(rig, name, isDone) {
  const random = rig.random.fork(name)
  const numbers = new Map()
  const client = await rig.connect()
  const start = clockMillis()
  const answers = []
  for (let put = 0; !isDone() && !rig.isOver; put += 1) {
    await wait(Math.max(0, start + put * PUT_MILLIS - clockMillis()))
    const sent = Array.from({ length: RECORDS_PER_PUT }, () => {
      const key = `${name}-${random.below(KEYS)}`
      const number = (numbers.get(key) ?? 0) + 1
      numbers.set(key, number)
      return { key, number }
    })
    const records = sent.map(({ key, number }) => [key, Buffer.from(String(number))])
    const answer = client.ask(PUT_RECORDS, STREAM, null, records, null, 0, 0)
    const noted = answer.then((fields) => {
      const places = putRecordsPlaces(fields)
      for (const [at, { key, number }] of sent.entries()) {
        rig.history.acknowledged(key, number, places[at])
      }
    })
    noted.catch(() => undefined) // told at the end
    answers.push(noted)
  }
  await Promise.all(answers)
  client.close()
}

async function makeRig(context) {
  const { directory, random } = context
  const port = await freePort(random)
  const data = join(directory, 'data')
  mkdirSync(data)
  const broker = new BrokerProcess(data, port)
  context.cleanup(() => broker.kill())
  const history = new GroupHistory()
  const rig = new Rig({ stream: STREAM, shards: SHARDS, history, random })
  rig.url = await broker.ready()
  context.cleanup(() => {
    rig.isOver = true
  })
  const admin = await rig.connect()
  await createStream(admin, STREAM, SHARDS, 'PROVISIONED')
  await admin.ask(REGISTER_CONSUMER, STREAM, CONSUMER, null)
  admin.close()
  return { rig, broker }
}

async function untilHandled(rig, workers) {
  const end = clockMillis() + DRAIN_MILLIS_MAX
  for (;;) {
    workers.collect()
    const { handledCount, acknowledgedCount } = rig.history
    if (handledCount >= acknowledgedCount) return
    if (clockMillis() > end) {
      const text = `${handledCount} of ${acknowledgedCount} records were handled`
      throw new TortureFailure(`${text} within ${DRAIN_MILLIS_MAX} ms behind the last one`)
    }
    await wait(50)
  }
}

async function familyOf(rig) {
  const client = await rig.connect()
  const shards = await listShards(client, STREAM)
  client.close()
  return new Map(shards.map((it) => [it.index, it]))
}

// Everything at once for so many seconds.
async function torment(context, rig, workers, resharder) {
  const start = clockMillis()
  const seconds = () => Math.min(context.count, Math.floor((clockMillis() - start) / 1000))
  const isDone = () => seconds() >= context.count
  const progress = () => {
    context.progress(seconds(), `${workers.counts.kills} kills, ${resharder.count} reshards`)
    if (isDone()) resharder.isStopped = true
  }
  const producing = Array.from({ length: PRODUCERS }, (_, at) => produce(rig, `p${at}`, isDone))
  const resharding = resharder.run(Number.POSITIVE_INFINITY, progress)
  await Promise.all([...producing, resharding, workers.churn(isDone)])
}

async function runTest(context) {
  const { rig, broker } = await makeRig(context)
  const { history } = rig
  const settings = { directory: context.scratch, consumer: CONSUMER, leaseMillis: LEASE_MILLIS }
  const workers = new GroupWorkers(rig, settings)
  context.cleanup(() => workers.kill())
  const resharder = new Resharder(rig, RESHARD_MILLIS, () => undefined, RESHARDS)
  await workers.begin()
  const observer = new GroupObserver(rig, CONSUMER)
  const observing = observer.run()
  observing.catch(() => undefined) // told at the end
  const lag = new MachineLag(join(context.directory, 'synced'), (kind, delay) =>
    history.delayed(kind, delay),
  )
  context.cleanup(() => lag.stop())
  const measuring = lag.run()
  measuring.catch(() => undefined) // told at the end
  await torment(context, rig, workers, resharder)
  await untilHandled(rig, workers)
  observer.isStopped = true
  await observing
  lag.stop()
  await measuring
  await workers.close()
  const family = await familyOf(rig)
  const bounds = {
    idleMillisMax: IDLE_MILLIS_MAX,
    lateMillisMax: LATE_MILLIS_MAX,
  }
  const { wrong, ...figures } = history.judge(family, bounds)
  if (wrong.length > 0) throw new TortureFailure(wrong[0], { details: { wrong, ...figures } })
  const status = await broker.stop()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  const { kills, stops, closes, workers: born } = workers.counts
  const { splits, merges } = resharder
  const missing = tooLittle({ kills, stops, reshards: resharder.count }, context.count)
  if (missing.length > 0) throw new TortureFailure(missing.join('; '))
  const share = ((figures.repeats / figures.records) * 100).toFixed(1)
  return {
    trials: kills + stops + closes,
    note:
      `${kills} kills, ${stops} stops, ${closes} closes of ${born} workers, ${splits} splits, ` +
      `${merges} merges; ${figures.records} records, ${share} % handled again; no shard without ` +
      `an owner for more than ${figures.idleMillis} ms (leases of ${LEASE_MILLIS}, ` +
      `${figures.lateMillis} ms allowed for a late machine)`,
    details: { ...figures, ...workers.counts, splits, merges, shards: family.size },
  }
}

export const tests = [
  {
    id: 'T-C1',
    title: 'a group of workers, killed and added under splits and merges',
    unit: 'ends and stops',
    counts: { ci: 20, full: 60 },
    skip: needBuild,
    run: runTest,
  },
]
