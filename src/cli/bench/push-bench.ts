/**
 * `bench sub` and `bench e2e`: records go in and are pushed to subscribers, each on a connection of
 * its own. e2e has one subscriber, a request for each record, and reads all of them back besides.
 */

import { DeliveryCheck } from '../delivery-check.ts'
import { untilDelivered } from '../until-delivered.ts'
import { type BenchFigures, type BenchRun, type Measured, MeasuredPart } from './bench-run.ts'
import { named, putFigures } from './figures.ts'
import { Latency } from './latency.ts'
import { PutLoad, producerSender, singleSender } from './put-load.ts'
import { endOf, iterate, race, readBack, takeRecords } from './readers.ts'

export async function benchSub(run: BenchRun): Promise<BenchFigures> {
  const load = new PutLoad(run, producerSender(run))
  const pushes = new Pushes(run, load)
  const measured = await pushes.run()
  return {
    measured,
    percentiles: named({ 'put to push': pushes.latency.percentiles() }),
    reports: pushes.reports(),
    ...putFigures(load),
  }
}

export async function benchE2e(run: BenchRun): Promise<BenchFigures> {
  const from = await endOf(run.client, run.stream)
  const load = new PutLoad(run, singleSender(run.client, run))
  const pushes = new Pushes(run, load)
  const measured = await pushes.run()
  const check = await readBack(run, from, load)
  return {
    measured,
    percentiles: named({
      'put to acknowledgement': load.latency.percentiles(),
      'put to push': pushes.latency.percentiles(),
    }),
    reports: [...pushes.reports(), check.report(load.taken, load.refused)],
    ...putFigures(load),
  }
}

/** Subscribers while a load runs. */
class Pushes {
  readonly latency = new Latency()
  readonly #run: BenchRun
  readonly #load: PutLoad
  readonly #checks: readonly DeliveryCheck[]

  constructor(run: BenchRun, load: PutLoad) {
    this.#run = run
    this.#load = load
    this.#checks = Array.from({ length: run.plan.subscribers }, () => new DeliveryCheck())
  }

  reports() {
    const { taken, refused } = this.#load
    return this.#checks.map((check) => check.report(taken, refused))
  }

  /** Deliveries to all subscribers are what is measured. */
  async run(): Promise<Measured> {
    const stop = new AbortController()
    const signal = AbortSignal.any([stop.signal, this.#run.signal])
    const delivered = () => this.#checks.reduce((sum, check) => sum + check.delivered, 0)
    const part = new MeasuredPart(delivered, this.#run)
    try {
      const { reading } = await this.#subscribe(signal)
      this.#show(delivered)
      const { measured } = await race(reading, this.#put(part, delivered, signal))
      stop.abort()
      await reading
      return await measured
    } finally {
      stop.abort()
      this.#run.show(undefined)
    }
  }

  #show(pushed: () => number): void {
    const { show, plan } = this.#run
    const counts = { put: () => this.#load.acknowledged, pushed }
    const latency = plan.rate === undefined ? undefined : this.latency
    show({ counts, recordBytes: plan.recordBytes, latency })
  }

  /** What is measured ends with the last push, before the time that is given to duplicates. */
  async #put(
    part: MeasuredPart,
    delivered: () => number,
    signal: AbortSignal,
  ): Promise<{ readonly measured: Promise<Measured> }> {
    const load = this.#load
    await load.run(part)
    const expected = (load.taken - load.refused.size) * this.#checks.length
    let measured: Promise<Measured> | undefined
    const looked = () => {
      const count = delivered()
      if (count >= expected) measured ??= part.end()
      return count
    }
    await untilDelivered({ delivered: looked, expected, signal })
    return { measured: measured ?? part.end() }
  }

  /** Answers when all have subscribed; `reading` ends with them. */
  async #subscribe(signal: AbortSignal): Promise<{ readonly reading: Promise<void> }> {
    const { connect, stream } = this.#run
    const subscriptions = await Promise.all(
      this.#checks.map(async (check) => {
        const client = await connect()
        const subscription = client.subscribe(stream, { from: 'latest', signal })
        await subscription.ready()
        return { check, subscription }
      }),
    )
    const all = subscriptions.map(({ check, subscription }) =>
      iterate(subscription, signal, (batch) => this.#take(check, batch)),
    )
    return { reading: Promise.all(all).then(() => undefined) }
  }

  #take(check: DeliveryCheck, batch: Parameters<typeof takeRecords>[2]): void {
    const now = performance.now()
    takeRecords(this.#run, check, batch, (number) => {
      const due = this.#load.dueMillis(number)
      if (due !== undefined) this.latency.record(now - due)
    })
  }
}
