// The broker is killed again and again under producers, half of them idempotent, and readers, which
// all go on as soon as it is back. At the end everything is read and compared with what they were
// told (broker/history.mjs).
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { History } from '../broker/history.mjs'
import { Producer, Reader, Rig, readAll } from '../broker/load.mjs'
import { createStream } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'orders'
const SHARDS = 16
const IDEMPOTENT = 8
const PLAIN = 8
const READERS = 4
// As many batches of a producer as the broker remembers.
const IDEMPOTENT_WINDOW = 5
const PLAIN_WINDOW = 8
const LIFE_MILLIS = [100, 2000]
// From the start of the process to its first acknowledgement.
const SERVING_MILLIS_MAX = 20_000

function makeProducers(rig) {
  const idempotent = Array.from({ length: IDEMPOTENT }, (_, index) => {
    const id = (BigInt(rig.random.bits()) << 32n) | BigInt(rig.random.bits()) | 1n
    return new Producer(rig, `i${index}`, { id, window: IDEMPOTENT_WINDOW })
  })
  const plain = Array.from({ length: PLAIN }, (_, index) => {
    // What a kill cannot take, the page cache keeps.
    const durability = index % 2 === 0 ? 'os' : 'disk'
    return new Producer(rig, `p${index}`, { window: PLAIN_WINDOW, durability })
  })
  return [...idempotent, ...plain]
}

// Kills a broker and has the next one on the same port. Answers it, and how long it took.
async function replace(broker, directory, port, rig) {
  await broker.kill()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  const next = new BrokerProcess(directory, port)
  await next.ready()
  const before = rig.history.acknowledgedCount
  while (rig.history.acknowledgedCount === before) {
    if (performance.now() - next.startedAt > SERVING_MILLIS_MAX) {
      await next.kill()
      throw new TortureFailure(`nothing was acknowledged within ${SERVING_MILLIS_MAX} ms`)
    }
    await wait(1)
  }
  return { next, millis: performance.now() - next.startedAt }
}

function checkFailures(rig) {
  if (rig.failures.length === 0) return
  throw new TortureFailure(`a request was refused: ${rig.failures[0]}`, {
    details: { failures: rig.failures.slice(0, 20) },
  })
}

const quantile = (sorted, part) => Math.round(sorted[Math.floor((sorted.length - 1) * part)])

async function runTest(context) {
  const { directory, count, random } = context
  const history = new History()
  const rig = new Rig({ stream: STREAM, shards: SHARDS, history, random })
  const port = await freePort(random)
  let broker = new BrokerProcess(directory, port)
  context.cleanup(() => broker.kill())
  rig.url = await broker.ready()
  const admin = await rig.connect()
  await createStream(admin, STREAM, SHARDS)
  admin.close()

  context.cleanup(() => {
    rig.isOver = true
  })
  const producing = makeProducers(rig).map((it) => it.run())
  let isProduced = false
  const reading = Array.from({ length: READERS }, (_, index) =>
    new Reader(rig, `r${index}`).run(() => isProduced),
  )
  const times = []
  for (let kill = 1; kill <= count; kill++) {
    await wait(random.between(...LIFE_MILLIS))
    const { next, millis } = await replace(broker, directory, port, rig)
    broker = next
    times.push(millis)
    checkFailures(rig)
    context.progress(kill, `${history.acknowledgedCount} acknowledged`)
  }
  rig.isStopping = true
  await Promise.all(producing)
  isProduced = true
  await Promise.all(reading)
  checkFailures(rig)
  const { wrong, duplicates, records } = history.judge(await readAll(rig))
  if (wrong.length > 0) throw new TortureFailure(wrong[0], { details: { wrong } })
  const status = await broker.stop()
  if (status !== 0) throw new TortureFailure(`the last broker ended with ${status}`)

  times.sort((left, right) => left - right)
  const [half, worst] = [quantile(times, 0.5), quantile(times, 0.99)]
  return {
    trials: count,
    note:
      `${history.acknowledgedCount} records acknowledged, 0 lost, 0 duplicates of idempotent ` +
      `producers, ${duplicates} of others; serving again after ${half} ms, p99 ${worst} ms`,
    details: { records, servingMillis: times },
  }
}

export const tests = [
  {
    id: 'T-K1',
    title: 'kill -9 of the broker under producers and readers',
    unit: 'kills',
    counts: { ci: 10, full: 500 },
    skip: needBuild,
    run: runTest,
  },
]
