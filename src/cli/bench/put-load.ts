/** Puts the records of a run, by a timetable or as fast as they are acknowledged. */

import type { Client } from '../../client/client.ts'
import { MillraceError } from '../../errors.ts'
import type { RecordInput } from '../../wire/verbs.ts'
import type { BenchRun, Measured, MeasuredPart } from './bench-run.ts'
import { Latency } from './latency.ts'
import { dueMillis, keepTimetable, type Timetable } from './timetable.ts'

/** Requests on their way at the same time where it goes as fast as it can: the window. */
export const requestsInFlight = 8
const bufferBytesMax = 8 * 1024 * 1024
/** What may be on its way of a timetable: beyond, records are sent late and their clocks run. */
const outstandingRecordsMax = 100_000
const outstandingBytesMax = 64 * 1024 * 1024
const lateMillis = 1
/** Clocks are looked at after so many. */
const clockRecords = 32

/** How records leave: one request for each, or many in one. */
export interface Sender {
  /** Answers when the record is acknowledged. */
  putAcknowledged(record: RecordInput): Promise<unknown>
  /** Puts as fast as there is room; a record may be reused once the next is asked for. */
  putMany(records: Iterable<RecordInput>): Promise<void>
  /** How many records are acknowledged. */
  readonly acknowledged: number
  onRefused(listener: (ordinal: number, error: MillraceError) => void): void
  close(): Promise<void>
}

/** Requests of up to 500 records; repeated by themselves, and stored once. */
export function producerSender({ client, plan, stream, signal }: BenchRun): Sender {
  const producer = client.producer(stream, {
    durability: plan.durability,
    inFlightMax: requestsInFlight,
    bytesMax: Math.max(bufferBytesMax, 4 * plan.recordBytes),
  })
  return {
    putAcknowledged: (record) => producer.putAcknowledged(record, { signal }),
    putMany: (records) => producer.putMany(records, { signal }),
    get acknowledged() {
      return producer.stats.acknowledgedRecords
    },
    onRefused: (listener) => {
      producer.on('refused', ({ ordinal, error }) => listener(ordinal, error))
    },
    close: () => producer.close(),
  }
}

/** A request for each record, as a timetable has them. */
export function singleSender(client: Client, { plan, stream, signal }: BenchRun): Sender {
  const { durability } = plan
  const waiting = new Set<Promise<unknown>>()
  let acknowledged = 0
  return {
    async putAcknowledged(record) {
      const put = client.put(stream, record, { durability, signal })
      waiting.add(put)
      try {
        await put
        acknowledged += 1
      } finally {
        waiting.delete(put)
      }
    },
    putMany: () => Promise.reject(new TypeError('single puts have a timetable')),
    get acknowledged() {
      return acknowledged
    },
    onRefused: () => undefined,
    close: async () => {
      await Promise.allSettled(waiting)
    },
  }
}

export class PutLoad {
  readonly latency: Latency = new Latency()
  readonly refused: Set<number> = new Set()
  /** Records that were handed over: they are numbered from 0. */
  taken = 0
  firstRefusal: MillraceError | undefined
  readonly #run: BenchRun
  readonly #sender: Sender
  #timetable: Timetable | undefined
  #warmUpCount = 0
  #late = 0

  constructor(run: BenchRun, sender: Sender) {
    this.#run = run
    this.#sender = sender
    sender.onRefused((ordinal, error) => this.#refuse(ordinal, error))
  }

  get acknowledged(): number {
    return this.#sender.acknowledged
  }

  /** When a record that counts was due, in ms of performance.now(); else undefined. */
  dueMillis(number: number): number | undefined {
    if (this.#timetable === undefined || number < this.#warmUpCount) return undefined
    return dueMillis(this.#timetable, number)
  }

  /** The share of records that were sent more than 1 ms after their time. */
  get lateShare(): number | undefined {
    if (this.#timetable === undefined) return undefined
    return this.#late / Math.max(1, this.taken - this.#warmUpCount)
  }

  /**
   * Puts by the timetable of the plan, or as fast as it goes. What is measured ends with the last
   * acknowledgement of a timetable, else when nothing more is handed over.
   */
  async run(part: MeasuredPart): Promise<Measured> {
    const { rate } = this.#run.plan
    if (rate === undefined) return await this.#asFastAsItGoes(part)
    await this.#byTimetable(rate, part)
    await this.#sender.close()
    return await part.end()
  }

  async #asFastAsItGoes(part: MeasuredPart): Promise<Measured> {
    const { warmUpMillis, durationMillis } = this.#run.plan
    const start = performance.now()
    let isMeasured = false
    await this.#sender.putMany(
      this.#recordsWhile(() => {
        const passed = performance.now() - start
        if (!isMeasured && passed >= warmUpMillis) {
          isMeasured = true
          part.begin()
        }
        return passed < warmUpMillis + durationMillis
      }),
    )
    const measured = part.end()
    await this.#sender.close()
    return await measured
  }

  /** Puts as fast as it goes while it `isOn`, which is asked now and then. */
  async putWhile(isOn: (taken: number) => boolean): Promise<void> {
    await this.#sender.putMany(this.#recordsWhile(isOn))
    await this.#sender.close()
  }

  *#recordsWhile(isOn: (taken: number) => boolean): Iterable<RecordInput> {
    while (this.taken % clockRecords !== 0 || isOn(this.taken)) {
      yield this.#run.records.record(this.taken)
      this.taken += 1
    }
  }

  async #byTimetable(rate: number, part: MeasuredPart): Promise<void> {
    const { plan, signal } = this.#run
    const { warmUpMillis, durationMillis, recordBytes } = plan
    this.#warmUpCount = Math.floor((rate * warmUpMillis) / 1000)
    const count = Math.max(1, Math.ceil((rate * (warmUpMillis + durationMillis)) / 1000))
    const timetable = { startMillis: performance.now(), perSecond: rate, count }
    this.#timetable = timetable
    const outstandingMax = Math.min(outstandingRecordsMax, outstandingBytesMax / recordBytes)
    await keepTimetable(timetable, {
      send: (number) => {
        if (number === this.#warmUpCount) part.begin()
        this.#send(number)
      },
      hasRoom: () => this.taken - this.acknowledged - this.refused.size < outstandingMax,
      signal,
    })
  }

  #send(number: number): void {
    const { key, data } = this.#run.records.record(number)
    const due = this.dueMillis(number)
    if (due !== undefined && performance.now() - due > lateMillis) this.#late += 1
    this.taken += 1
    // Copied: it may have to wait for room.
    this.#sender.putAcknowledged({ key, data: Buffer.from(data) }).then(
      () => {
        if (due !== undefined) this.latency.record(performance.now() - due)
      },
      (error: unknown) => this.#refuse(number, error),
    )
  }

  #refuse(number: number, error: unknown): void {
    this.refused.add(number)
    this.firstRefusal ??=
      error instanceof MillraceError
        ? error
        : new MillraceError('INTERNAL', String(error), { cause: error })
  }
}
