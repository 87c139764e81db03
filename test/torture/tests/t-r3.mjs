// Shards are split and merged without end, one by one and by UpdateShardCount, under producers, half
// of them idempotent, a reader and a subscriber, while the broker is killed again and again. At the
// end everything is read and compared with what they were told (broker/history.mjs).
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { History } from '../broker/history.mjs'
import { Producer, Rig, readAll } from '../broker/load.mjs'
import { checkTiles, Resharder } from '../broker/resharder.mjs'
import { listShards, StreamReader, StreamSubscriber } from '../broker/stream-lanes.mjs'
import { createStream } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'orders'
const SHARDS = 4
const PRODUCERS = 8
// As many batches of an idempotent producer as the broker remembers.
const WINDOW = 5
// Below what Kinesis allows a single shard, which all keys may meet in.
const PAUSE_MILLIS = 400
const INTERVAL_MILLIS = 200
const LIFE_MILLIS = [300, 2000]
// Some kills are meant to fall between the steps of a split or a merge.
const AIMED_SHARE = 0.15
const AIMED_MILLIS = [0, 12]
const DRAIN_MILLIS_MAX = 30_000
// As many as a broker can be told to allow: the test makes fewer.
const MORE = ['--limits-shard-count-updates-per-day', '1000']

function makeProducers(rig) {
  return Array.from({ length: PRODUCERS }, (_, index) => {
    const pauseMillis = PAUSE_MILLIS
    if (index % 2 === 1) return new Producer(rig, `p${index}`, { window: WINDOW, pauseMillis })
    const id = (BigInt(rig.random.bits()) << 32n) | BigInt(rig.random.bits()) | 1n
    return new Producer(rig, `i${index}`, { id, window: WINDOW, pauseMillis })
  })
}

// Kills the broker now and then, and has the next one on the same port, until `isDone`.
class Killer {
  kills = 0
  #hurry = () => undefined

  constructor(directory, port, random) {
    Object.assign(this, { directory, port, random })
    this.broker = new BrokerProcess(directory, port, { more: MORE })
  }

  async run(isDone) {
    while (!isDone()) {
      const hurried = new Promise((resolve) => {
        this.#hurry = resolve
      })
      await Promise.race([wait(this.random.between(...LIFE_MILLIS)), hurried])
      if (isDone()) return
      await this.broker.kill()
      this.#check()
      this.kills += 1
      this.broker = new BrokerProcess(this.directory, this.port, { more: MORE })
      await this.broker.ready()
    }
  }

  // A change of the shards has begun.
  aim() {
    if (!this.random.chance(AIMED_SHARE)) return
    setTimeout(() => this.#hurry(), this.random.between(...AIMED_MILLIS))
  }

  async stop() {
    const status = await this.broker.stop()
    this.#check()
    if (status !== 0) throw new TortureFailure(`the last broker ended with ${status}`)
  }

  #check() {
    const { complaints } = this.broker
    if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  }
}

function checkFailures(rig) {
  if (rig.failures.length === 0) return
  throw new TortureFailure(`a request was refused: ${rig.failures[0]}`, {
    details: { failures: rig.failures.slice(0, 20) },
  })
}

// What the judge has to know of each shard; and each moment has all keys.
async function familyOf(rig) {
  const client = await rig.connect()
  const shards = await listShards(client, STREAM)
  checkTiles(shards.filter(({ isOpen }) => isOpen))
  client.close()
  rig.shards = shards.length
  return new Map(shards.map((it) => [it.index, it]))
}

async function untilSubscribed(subscriber, records, rig) {
  const end = performance.now() + DRAIN_MILLIS_MAX
  while (subscriber.count < records) {
    checkFailures(rig)
    if (performance.now() > end) {
      throw new TortureFailure(`the subscriber has ${subscriber.count} of ${records} records`)
    }
    await wait(10)
  }
}

async function runTest(context) {
  const { directory, count, random } = context
  const history = new History()
  const rig = new Rig({ stream: STREAM, shards: SHARDS, history, random })
  const killer = new Killer(directory, await freePort(random), random.fork('killer'))
  context.cleanup(() => killer.broker.kill())
  rig.url = await killer.broker.ready()
  const admin = await rig.connect()
  await createStream(admin, STREAM, SHARDS, 'PROVISIONED')
  admin.close()
  context.cleanup(() => {
    rig.isOver = true
  })

  const producing = makeProducers(rig).map((it) => it.run())
  let isProduced = false
  let isOver = false
  const reading = new StreamReader(rig, 'reader').run(() => isProduced)
  const subscriber = new StreamSubscriber(rig, 'subscriber')
  const subscribing = subscriber.run(() => isOver)
  const resharder = new Resharder(rig, INTERVAL_MILLIS, () => killer.aim())
  let isResharded = false
  const killing = killer.run(() => isResharded)
  const resharding = resharder
    .run(count, (done) => {
      checkFailures(rig)
      context.progress(done, `${killer.kills} kills, ${history.acknowledgedCount} acknowledged`)
    })
    .finally(() => {
      isResharded = true
    })
  await Promise.all([resharding, killing])
  rig.isStopping = true
  await Promise.all(producing)
  isProduced = true
  await reading
  const family = await familyOf(rig)
  const full = await readAll(rig)
  const total = [...full.values()].reduce((sum, records) => sum + records.length, 0)
  await untilSubscribed(subscriber, total, rig)
  isOver = true
  await subscribing
  checkFailures(rig)
  const { wrong, duplicates, records } = history.judge(full, family)
  if (wrong.length > 0) throw new TortureFailure(wrong[0], { details: { wrong } })
  await killer.stop()
  const { splits, merges, updates } = resharder
  return {
    trials: resharder.count,
    note:
      `${splits} splits, ${merges} merges, ${updates} updates of the number of shards, ` +
      `${killer.kills} kills, ${history.acknowledgedCount} ` +
      `records acknowledged, 0 lost, 0 duplicates of idempotent producers, ${duplicates} of others`,
    details: { records, shards: family.size },
  }
}

export const tests = [
  {
    id: 'T-R3',
    title: 'splits, merges and other numbers of shards under load and kill -9 of the broker',
    unit: 'reshards',
    counts: { ci: 20, full: 1000 },
    skip: needBuild,
    run: runTest,
  },
]
