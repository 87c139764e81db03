// A herd: thousands of clients lose their broker at once and come back to the next one, while others
// put and read. Each goes on with the very next record, and they do not all come at once, again and
// again.
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { Herd } from '../broker/herd.mjs'
import { History } from '../broker/history.mjs'
import { Producer } from '../broker/load.mjs'
import { loopDelayOf } from '../broker/resources.mjs'
import { makeProducers, RestartLoad, RestartRig, stop } from '../broker/restart-rig.mjs'
import { createStream } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const ORDERS = { stream: 'orders', shards: 4 }
const NEWS = { stream: 'news', shards: 1 }
const RESTARTS = { ci: 2, full: 5 }
// For how long there is no broker: some attempts to come back are in vain.
const AWAY_MILLIS = [0, 3000]
const ORDERS_PAUSE_MILLIS = 200
const NEWS_PAUSE_MILLIS = 1000
// In the full tier longer than a heartbeat.
const LIFE_MILLIS = { ci: 2000, full: 6000 }
const JOIN_MILLIS_MAX = 180_000
// Where many tests share the machine nobody is in a hurry.
const BACK_MILLIS_MAX = { ci: 60_000, full: 15_000 }
const SILENT_MILLIS_MAX = { ci: 15_000, full: 5000 }
// Of a client, on average: attempts with ceilings that double from 50 ms to 5 s are few.
const ATTEMPTS_MAX = 12

class Restarts {
  #context
  #port
  #random
  broker
  herd
  // Of each restart.
  figures = []

  constructor(context, port) {
    this.#context = context
    this.#port = port
    this.#random = context.random.fork('restarts')
    this.broker = new BrokerProcess(context.directory, port)
    context.cleanup(() => this.broker.kill())
  }

  async gather(url) {
    const { count, cleanup } = this.#context
    this.herd = new Herd(url, NEWS.stream, count)
    cleanup(() => this.herd.leave())
    await this.herd.untilBack(JOIN_MILLIS_MAX)
  }

  async run() {
    const { count, tier, progress } = this.#context
    for (let restart = 1; restart <= RESTARTS[tier]; restart++) {
      this.figures.push(await this.#restart())
      progress(Math.round((count * restart) / RESTARTS[tier]), `${restart} restarts`)
    }
  }

  async #restart() {
    const { directory, count, tier } = this.#context
    const stopMillis = await stop(this.broker, 'under a herd')
    await this.herd.mark()
    const awayMillis = this.#random.between(...AWAY_MILLIS)
    await wait(awayMillis)
    this.broker = new BrokerProcess(directory, this.#port)
    await this.broker.ready()
    if (this.broker.facts.opened !== 'clean') {
      throw new TortureFailure(`the log was left ${this.broker.facts.opened}`)
    }
    const readyAt = performance.now()
    const { attempts, peak } = await this.herd.untilBack(BACK_MILLIS_MAX[tier])
    const backMillis = performance.now() - readyAt
    if (attempts > count * ATTEMPTS_MAX) {
      throw new TortureFailure(`${attempts} attempts of ${count} clients to come back`)
    }
    const { silentMillis, delay } = await this.#life()
    return { stopMillis, awayMillis, backMillis, attempts, peak, silentMillis, delay }
  }

  // All are back, and stay: nobody hears nothing for long, and nobody connects once more.
  async #life() {
    const { count, tier } = this.#context
    const before = await this.herd.look()
    await wait(LIFE_MILLIS[tier])
    const { silentMillis, attempts, back } = await this.herd.look()
    if (attempts > before.attempts || back < count) {
      throw new TortureFailure(`${attempts - before.attempts} attempts more, ${back} are back`)
    }
    if (silentMillis > SILENT_MILLIS_MAX[tier]) {
      throw new TortureFailure(`a client heard nothing for ${Math.round(silentMillis)} ms`)
    }
    return { silentMillis, delay: await loopDelayOf(this.#port) }
  }
}

function makeRig(context, url, wanted) {
  const random = context.random.fork(wanted.stream)
  const rig = new RestartRig({ ...wanted, history: new History(), random })
  rig.url = url
  context.cleanup(() => {
    rig.isOver = true
  })
  return rig
}

async function createStreams(rig) {
  const admin = await rig.connect()
  for (const { stream, shards } of [ORDERS, NEWS]) await createStream(admin, stream, shards)
  admin.close()
}

async function runTest(context) {
  const { count, random } = context
  const restarts = new Restarts(context, await freePort(random))
  const url = await restarts.broker.ready()
  const [orders, news] = [ORDERS, NEWS].map((wanted) => makeRig(context, url, wanted))
  await createStreams(orders)
  const many = makeProducers(orders, { pauseMillis: ORDERS_PAUSE_MILLIS })
  const one = new Producer(news, 'n', { id: 1n, window: 1, pauseMillis: NEWS_PAUSE_MILLIS })
  const loads = [new RestartLoad(orders, many, 1), new RestartLoad(news, [one], 0)]
  await restarts.gather(url)
  await restarts.run()
  const [, published] = await Promise.all(loads.map((load) => load.finish()))
  await restarts.herd.untilRead(published.get(0).at(-1).sequence + 1n, BACK_MILLIS_MAX.ci)
  await restarts.herd.leave()
  await stop(restarts.broker)
  const { figures } = restarts
  const most = (name) => Math.max(...figures.map((it) => it[name]))
  const acknowledged = orders.history.acknowledgedCount + news.history.acknowledgedCount
  return {
    trials: count,
    note:
      `${figures.length} restarts: all back after ${Math.round(most('backMillis'))} ms, ` +
      `${(most('attempts') / count).toFixed(1)} attempts each, at most ${most('peak')} in 0.1 s, ` +
      `nobody without a word for ${Math.round(most('silentMillis'))} ms; stopped after ` +
      `${Math.round(most('stopMillis'))} ms; ${acknowledged} records acknowledged, 0 lost, ` +
      `0 gaps; event loop late by ${most('delay').toFixed(1)} ms at p99.9`,
    details: { restarts: figures },
  }
}

export const tests = [
  {
    id: 'T-G2',
    title: 'a herd of clients that come back to a broker that was restarted under load',
    unit: 'clients',
    counts: { ci: 100, full: 5000 },
    skip: needBuild,
    run: runTest,
  },
]
