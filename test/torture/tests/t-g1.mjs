// A broker that is asked to stop under load, again and again, each time in other company: it answers
// or refuses what it has, ends in time, and the next one goes on as if nothing had been.
import { setTimeout as wait } from 'node:timers/promises'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { COMPANY, makeBulk } from '../broker/company.mjs'
import { History } from '../broker/history.mjs'
import { RawLane } from '../broker/raw-lane.mjs'
import {
  checkRig,
  makeProducers,
  RESTARTING,
  RestartLoad,
  RestartRig,
  stop,
} from '../broker/restart-rig.mjs'
import { createStream } from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'orders'
const BULK = 'bulk'
const SHARDS = 4
const READERS = 2
// Connections that only hold on, and come back after each restart.
const CROWD = { ci: 50, full: 1000 }
const CROWD_TOGETHER = 50
const LIFE_MILLIS = [100, 600]
const OPEN_MILLIS_MAX = 20_000

// Connections without requests. All of them hear why they end.
class Crowd {
  #port
  #lanes = []

  constructor(port) {
    this.#port = port
  }

  async come(count) {
    for (let left = count; left > 0; left -= CROWD_TOGETHER) {
      const lanes = Array.from({ length: Math.min(left, CROWD_TOGETHER) }, () => {
        return new RawLane(this.#port)
      })
      this.#lanes.push(...lanes)
      const open = await Promise.all(lanes.map((lane) => lane.open(OPEN_MILLIS_MAX)))
      if (open.includes(false)) throw new TortureFailure('a connection was not let in')
    }
  }

  // Once the broker has ended.
  async leave() {
    const lanes = this.#lanes.splice(0)
    await Promise.all(lanes.map((lane) => lane.until(() => false, OPEN_MILLIS_MAX)))
    for (const lane of lanes) lane.destroy()
    const codes = new Set(lanes.map((lane) => lane.closeCode))
    codes.delete(RESTARTING)
    if (codes.size > 0) throw new TortureFailure(`ended with ${[...codes].join()}, not 1012`)
  }
}

class Restarts {
  #context
  #rig
  #port
  #random
  broker
  millis = []

  constructor(context, rig, port) {
    this.#context = context
    this.#rig = rig
    this.#port = port
    this.#random = context.random.fork('restarts')
    this.broker = new BrokerProcess(context.directory, port)
    context.cleanup(() => this.broker.kill())
  }

  async run() {
    const { count, tier } = this.#context
    const crowd = new Crowd(this.#port)
    for (let restart = 1; restart <= count; restart++) {
      await crowd.come(CROWD[tier])
      const guests = this.#invite(restart)
      const place = { port: this.#port, url: this.#rig.url, stream: STREAM, bulk: BULK }
      const goodbyes = await Promise.all(guests.map((guest) => COMPANY[guest](place)))
      await wait(this.#random.between(...LIFE_MILLIS))
      this.millis.push(await stop(this.broker, `among ${guests.join(', ')}`))
      await crowd.leave()
      for (const leave of goodbyes) leave()
      await this.#next()
      checkRig(this.#rig)
      const { acknowledgedCount } = this.#rig.history
      this.#context.progress(restart, `${acknowledgedCount} acknowledged`)
    }
  }

  // Every guest in turn, and others beside it; now and then nobody.
  #invite(restart) {
    const all = Object.keys(COMPANY)
    const turn = restart % (all.length + 1)
    if (turn === all.length) return []
    return all.filter((_, index) => index === turn || this.#random.chance(0.2))
  }

  async #next() {
    this.broker = new BrokerProcess(this.#context.directory, this.#port)
    await this.broker.ready()
    const { opened } = this.broker.facts
    if (opened !== 'clean') throw new TortureFailure(`the log was left ${opened}`)
  }
}

async function runTest(context) {
  const { count, random } = context
  const history = new History()
  const rig = new RestartRig({ stream: STREAM, shards: SHARDS, history, random })
  const restarts = new Restarts(context, rig, await freePort(random))
  rig.url = await restarts.broker.ready()
  const admin = await rig.connect()
  await createStream(admin, STREAM, SHARDS)
  await makeBulk(admin, BULK)
  admin.close()
  context.cleanup(() => {
    rig.isOver = true
  })
  const load = new RestartLoad(rig, makeProducers(rig), READERS)
  await restarts.run()
  await load.finish()
  await stop(restarts.broker)
  const sorted = restarts.millis.toSorted((left, right) => left - right)
  const [half, most] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted.at(-1)].map(Math.round)
  return {
    trials: count,
    note:
      `${history.acknowledgedCount} records acknowledged, 0 lost, 0 put without an answer, ` +
      `${rig.refused} refused; stopped after ${half} ms, at most ${most} ms`,
    details: { millis: restarts.millis, refused: rig.refused },
  }
}

export const tests = [
  {
    id: 'T-G1',
    title: 'a broker that is asked to stop under load, in company',
    unit: 'restarts',
    counts: { ci: 4, full: 100 },
    skip: needBuild,
    run: runTest,
  },
]
