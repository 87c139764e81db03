// A broker full of connections, and what crowds of hostile ones do to it: some clients work on beside
// all of them, and must not notice.
import { setTimeout as wait } from 'node:timers/promises'
import { ActiveClients } from '../broker/active-clients.mjs'
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { makeBulk } from '../broker/company.mjs'
import {
  askWithoutReading,
  dripHandshakes,
  dripMessages,
  flood,
  hang,
  openLanes,
  statusOfNext,
} from '../broker/hostile-crowds.mjs'
import { judgeLateness, LoopWatch, lateText } from '../broker/loop-watch.mjs'
import { RawLane } from '../broker/raw-lane.mjs'
import { atMostTwice, mebibytes, memoryOf, percentile, socketsOf } from '../broker/resources.mjs'
import {
  createStream,
  GET_ITERATOR,
  getRecords,
  recordsOf,
  WireClient,
} from '../broker/wire-client.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'

const STREAM = 'orders'
const BULK = 'bulk'
const MEBIBYTE = 1024 * 1024
// As src/limits.ts has it: those that work are among them.
const CONNECTIONS_MAX = 10_000
// The seconds of a tier, and how many of each crowd there are. Where seconds count, nobody waits for
// the silence of a minute.
const TIERS = {
  ci: { seconds: 2, everyMillis: 200, drips: 50, hangs: 0, unread: 3, floods: 2000 },
  full: { seconds: 20, everyMillis: 2000, drips: 2000, hangs: 500, unread: 20, floods: 100_000 },
}
const ACTIVE_SHARE = 0.1
const IDLE_BYTES_MAX = 20 * 1024
// A heap grows by itself; among many connections that is too little to be seen.
const HEAP_BYTES = { ci: 32 * MEBIBYTE, full: 0 }
const SETTLE_MILLIS = 1000
const HEADER_SECONDS_MAX = 20
const SILENCE_SECONDS_MAX = 75
const CONNECT_MILLIS = 200
// A newcomer is in after so long at p99, whoever drips beside it.
const NEWCOMER_MILLIS_MAX = 100
const OPEN_MILLIS_MAX = 10_000
// Of an answer that is not read, with what it is made from.
const UNREAD_BYTES_MAX = 12 * MEBIBYTE
const FLOOD_BYTES_MAX = 64 * MEBIBYTE
const BASE_MILLIS_MAX = 20_000

class Trial {
  constructor(context, broker, port, url) {
    Object.assign(this, { context, broker, port, url, wanted: TIERS[context.tier] })
    this.figures = {}
    this.p999 = 0
    this.wrong = []
  }

  get isFull() {
    return this.context.tier === 'full'
  }

  memory() {
    return memoryOf(this.broker.pid)
  }

  expect(isSo, text) {
    if (!isSo) this.wrong.push(text)
  }

  // The p99 of those that work, while they are alone or something else goes on; beside that the worst
  // p99.9 is kept.
  async p99(work) {
    const { answer, latencies } = await this.active.while(work)
    this.p999 = Math.max(this.p999, percentile(latencies, 0.999))
    return { answer, p99: percentile(latencies, 0.99) }
  }

  seconds() {
    return wait(this.wanted.seconds * 1000)
  }

  async start() {
    this.watch = new LoopWatch(this.context, this.port)
    const count = Math.ceil(this.context.count * ACTIVE_SHARE)
    this.active = new ActiveClients(this.port, STREAM, count, this.wanted.everyMillis)
    this.context.cleanup(() => this.active.stop().catch(() => undefined))
    await this.active.start()
    this.idle = this.context.count - count
    this.base = socketsOf(this.broker.pid)
    this.alone = (await this.p99(() => this.seconds())).p99
  }

  // Connections that do nothing but answer pings.
  async crowd() {
    const before = this.memory()
    const lanes = await openLanes(this.port, this.idle, { answersPings: true })
    this.context.cleanup(() => {
      for (const lane of lanes) lane.destroy()
    })
    await wait(SETTLE_MILLIS)
    const bytes = this.memory() - before
    const { p99 } = await this.p99(() => this.seconds())
    if (this.context.count === CONNECTIONS_MAX) {
      const status = await statusOfNext(this.port)
      this.expect(status === 503, `one connection too many gets ${status}`)
    }
    const lost = lanes.filter((lane) => lane.isEnded).length
    for (const lane of lanes) lane.reset()
    this.expect(lost === 0, `${lost} idle connections were lost`)
    this.expect(
      bytes <= this.idle * IDLE_BYTES_MAX + HEAP_BYTES[this.context.tier],
      `${Math.round(bytes / this.idle / 1024)} KiB for each idle connection`,
    )
    const isSo = !this.isFull || atMostTwice(p99, this.alone)
    this.expect(isSo, `p99 ${p99.toFixed(1)} ms among idle ones, ${this.alone.toFixed(1)} ms alone`)
    Object.assign(this.figures, {
      idleBytes: Math.max(0, Math.round(bytes / this.idle)),
      idleP99: p99,
    })
    await this.back('idle connections')
  }

  // Those that drip, and those that hang; meanwhile others come.
  async drips() {
    const { drips, hangs } = this.wanted
    const { port } = this
    const crowds = [dripHandshakes(port, drips, HEADER_SECONDS_MAX)]
    if (hangs > 0) {
      crowds.push(dripMessages(port, drips, SILENCE_SECONDS_MAX))
      crowds.push(hang(port, hangs, SILENCE_SECONDS_MAX))
    }
    const state = { isOver: false, millis: [] }
    const coming = this.newcomers(state)
    const all = Promise.all(crowds).finally(() => {
      state.isOver = true
    })
    const { answer, p99 } = await this.p99(() => all)
    await coming
    const connectP99 = percentile(state.millis, 0.99)
    const isSoon = !this.isFull || connectP99 <= NEWCOMER_MILLIS_MAX
    this.expect(isSoon, `newcomers are in after ${connectP99.toFixed(1)} ms beside those that drip`)
    Object.assign(this.figures, { cutSeconds: answer, dripP99: p99, connectP99 })
    await this.back('those that drip')
  }

  async newcomers(state) {
    while (!state.isOver) {
      const before = performance.now()
      const lane = new RawLane(this.port)
      const isOpen = await lane.open(OPEN_MILLIS_MAX)
      state.millis.push(performance.now() - before)
      lane.reset()
      if (!isOpen) throw new TortureFailure('nobody is let in beside those that drip')
      await wait(CONNECT_MILLIS)
    }
  }

  // Answers wait for clients that do not read them.
  async unread() {
    const { unread } = this.wanted
    const before = this.memory()
    const leave = await askWithoutReading(this.port, this.url, BULK, unread)
    let most = 0
    const timer = setInterval(() => {
      most = Math.max(most, this.memory() - before)
    }, 50)
    const { p99 } = await this.p99(() => this.seconds()).finally(() => {
      clearInterval(timer)
      leave()
    })
    this.expect(
      most <= unread * UNREAD_BYTES_MAX + HEAP_BYTES.ci,
      `${mebibytes(most)} MiB for ${unread} clients that do not read`,
    )
    Object.assign(this.figures, { unreadBytes: most, unreadP99: p99 })
    await this.back('those that do not read')
  }

  async floods() {
    const before = this.memory()
    const start = performance.now()
    const { p99 } = await this.p99(() =>
      flood(this.port, this.wanted.floods, this.context.random.fork('flood')),
    )
    const perSecond = Math.round((this.wanted.floods * 1000) / (performance.now() - start))
    await this.back('a flood')
    const bytes = this.memory() - before
    this.expect(bytes <= FLOOD_BYTES_MAX, `${mebibytes(bytes)} MiB more memory behind a flood`)
    Object.assign(this.figures, { floodP99: p99, floodsPerSecond: perSecond, floodBytes: bytes })
  }

  // Every socket comes back.
  async back(what) {
    const end = performance.now() + BASE_MILLIS_MAX
    while (socketsOf(this.broker.pid) > this.base) {
      if (performance.now() > end) {
        const more = socketsOf(this.broker.pid) - this.base
        throw new TortureFailure(`${more} sockets are held behind ${what}`)
      }
      await wait(100)
    }
  }

  // Everything that was acknowledged to those that worked is there.
  async finish() {
    this.late = await this.watch.finish()
    await this.active.stop()
    const client = await WireClient.connect(this.url)
    let [iterator] = await client.ask(GET_ITERATOR, STREAM, '0', 'TRIM_HORIZON')
    let found = 0
    for (let count = 1; count > 0; found += count) {
      const answer = await getRecords(client, iterator)
      iterator = answer[0]
      count = recordsOf(answer).length
    }
    client.close()
    const { acknowledged } = this.active
    this.expect(found === acknowledged, `${found} of ${acknowledged} records are there`)
    const status = await this.broker.stop()
    this.expect(status === 0, `the broker ended with ${status}`)
    this.wrong.push(...this.broker.complaints)
  }
}

async function runTest(context) {
  const { directory, count, random } = context
  const port = await freePort(random)
  const broker = new BrokerProcess(directory, port)
  context.cleanup(() => broker.kill())
  const url = await broker.ready()
  const setup = await WireClient.connect(url)
  await createStream(setup, STREAM, 1)
  await makeBulk(setup, BULK)
  setup.close()
  const trial = new Trial(context, broker, port, url)
  const phases = ['start', 'crowd', 'drips', 'unread', 'floods', 'finish']
  for (const [index, phase] of phases.entries()) {
    await trial[phase]()
    context.progress(Math.round((count * (index + 1)) / phases.length), phase)
  }
  const { figures, wrong, alone } = trial
  const details = { ...figures, alone }
  if (wrong.length > 0) throw new TortureFailure(wrong.join('; '), { details })
  judgeLateness(context.tier, trial.late)
  const ms = (value) => value.toFixed(1)
  return {
    trials: count,
    note:
      `${Math.round(figures.idleBytes / 1024)} KiB for each idle one; p99 of ` +
      `${count - trial.idle} others ${ms(alone)} ms alone, ${ms(figures.idleP99)} beside them, ` +
      `${ms(figures.dripP99)} beside ${trial.wanted.drips} that drip (cut after ` +
      `${figures.cutSeconds.map(Math.round).join(', ')} s), ${ms(figures.floodP99)} beside ` +
      `${figures.floodsPerSecond} connects a second; ${mebibytes(figures.unreadBytes)} MiB for ` +
      `${trial.wanted.unread} that do not read; newcomers are in after ` +
      `${ms(figures.connectP99)} ms at p99; p99.9 of all of it ${ms(trial.p999)} ms, ` +
      lateText(trial.late),
    details,
  }
}

export const tests = [
  {
    id: 'T-S2',
    title: 'a broker full of connections, and crowds of hostile ones',
    unit: 'connections',
    counts: { ci: 500, full: CONNECTIONS_MAX },
    skip: needBuild,
    run: runTest,
  },
]
