/** The load over a sender that answers as the test wants. */

import { describe, expect, it } from 'vitest'
import { BenchRecords } from '../../../../src/cli/bench/bench-records.ts'
import { type BenchRun, MeasuredPart } from '../../../../src/cli/bench/bench-run.ts'
import { type BenchPlan, planOf } from '../../../../src/cli/bench/plan.ts'
import { PutLoad, type Sender } from '../../../../src/cli/bench/put-load.ts'
import { MillraceError } from '../../../../src/errors.ts'
import type { RecordInput } from '../../../../src/wire/verbs.ts'

/** Takes everything; `onPut` may block, or throw what the record is refused with. */
class FakeSender implements Sender {
  acknowledged = 0
  readonly numbers: (number | undefined)[] = []
  readonly #records: BenchRecords
  readonly #onPut: (count: number) => void
  #refused: (ordinal: number, error: MillraceError) => void = () => undefined

  constructor(records: BenchRecords, onPut: (count: number) => void = () => undefined) {
    this.#records = records
    this.#onPut = onPut
  }

  async putAcknowledged(record: RecordInput): Promise<void> {
    this.#take(record)
    this.acknowledged += 1
  }

  async putMany(records: Iterable<RecordInput>): Promise<void> {
    let ordinal = 0
    for (const record of records) {
      try {
        this.#take(record)
        this.acknowledged += 1
      } catch (error) {
        this.#refused(ordinal, error as MillraceError)
      }
      ordinal += 1
    }
  }

  onRefused(listener: (ordinal: number, error: MillraceError) => void): void {
    this.#refused = listener
  }

  async close(): Promise<void> {}

  #take({ key = '', data }: RecordInput): void {
    this.numbers.push(this.#records.numberOf(key, data))
    this.#onPut(this.numbers.length)
  }
}

function loadOf(options: Record<string, unknown>, onPut?: (count: number) => void) {
  const plan: BenchPlan = planOf('put', { keys: 3, ...options })
  const records = new BenchRecords(plan)
  const { signal } = new AbortController()
  const run = { plan, records, signal, brokerCpuSeconds: async () => 1 } as unknown as BenchRun
  const sender = new FakeSender(records, onPut)
  const load = new PutLoad(run, sender)
  return { load, sender, part: new MeasuredPart(() => load.acknowledged, run) }
}

function inOrder(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number)
}

/** Blocks this thread, as a program does that stalls. */
function block(millis: number): void {
  const end = performance.now() + millis
  while (performance.now() < end);
}

describe('by a timetable', () => {
  const options = { rate: '1000', duration: '20ms', warmUp: '0ms' }

  it('a record that is held up takes its time from when it was due', async () => {
    const stall = 60
    const { load, sender, part } = loadOf(options, (count) => {
      if (count === 1) block(stall)
    })
    const measured = await load.run(part)
    expect(sender.numbers).toEqual(inOrder(20))
    expect(measured.records).toBe(20)
    // All others were due within 20 ms, and none of them left before the end of the stall.
    const { p50 = 0, count } = load.latency.percentiles() ?? {}
    expect(count).toBe(20)
    expect(p50).toBeGreaterThanOrEqual((stall - 20) * 1000)
    expect(load.lateShare).toBeGreaterThanOrEqual(0.9)
  })

  it('what comes before the measured part is put and not measured', async () => {
    const { load, sender, part } = loadOf({ ...options, warmUp: '10ms' })
    const measured = await load.run(part)
    expect(sender.numbers).toEqual(inOrder(30))
    expect(measured.records).toBeLessThanOrEqual(30)
    expect(load.latency.percentiles()?.count).toBe(20)
    expect([load.dueMillis(9), load.dueMillis(10)]).toEqual([undefined, expect.any(Number)])
  })

  it('what is refused is known by its number', async () => {
    const { load, part } = loadOf(options, (count) => {
      if (count % 5 === 0) throw new MillraceError('DISK_FULL')
    })
    await load.run(part)
    expect([...load.refused]).toEqual([4, 9, 14, 19])
    expect(load.firstRefusal?.code).toBe('DISK_FULL')
    expect([load.taken, load.acknowledged]).toEqual([20, 16])
  })
})

describe('as fast as it goes', () => {
  it('numbers have no gap, and there are no times', async () => {
    const { load, sender, part } = loadOf({ rate: 'max', duration: '5ms', warmUp: '1ms' })
    const measured = await load.run(part)
    expect(sender.numbers).toEqual(inOrder(load.taken))
    expect(measured.records).toBeLessThanOrEqual(load.taken)
    expect(load.latency.percentiles()).toBeUndefined()
    expect([load.lateShare, load.dueMillis(0)]).toEqual([undefined, undefined])
  })

  it('puts as many as are wanted, and knows what was refused', async () => {
    const { load } = loadOf({ rate: 'max' }, (count) => {
      if (count === 3) throw new MillraceError('DISK_FULL')
    })
    await load.putWhile((taken) => taken < 64)
    expect(load.taken).toBe(64)
    expect([...load.refused]).toEqual([2])
  })
})

it('a run that ended before its warm-up was over has no figures', async () => {
  const { part } = loadOf({ rate: '1000', duration: '20ms', warmUp: '10ms' })
  await expect(part.end()).rejects.toMatchObject({
    code: 'NOTHING_MEASURED',
    hint: expect.stringContaining('--rate'),
  })
})
