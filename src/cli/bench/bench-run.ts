/** What a run of a bench has at hand, and what it comes to. */

import type { Client } from '../../client/client.ts'
import type { MillraceError } from '../../errors.ts'
import type { DeliveryReport } from '../delivery-check.ts'
import { CliError, cliErrorTable } from '../exit-codes.ts'
import type { BenchRecords } from './bench-records.ts'
import type { Percentiles } from './latency.ts'
import type { LiveCounters } from './live-line.ts'
import type { BenchPlan } from './plan.ts'

export interface BenchRun {
  readonly plan: BenchPlan
  /** Puts, and reads what was put. */
  readonly client: Client
  /** Another connection to the same broker; it is closed after the run. */
  readonly connect: () => Promise<Client>
  readonly stream: string
  readonly records: BenchRecords
  /** CPU seconds of the broker so far; undefined where it does not tell. */
  readonly brokerCpuSeconds: () => Promise<number | undefined>
  /** Shows these from now on; undefined: nothing. */
  readonly show: (counters: LiveCounters | undefined) => void
  readonly signal: AbortSignal
}

/** What was measured between two looks. */
export interface Measured {
  readonly records: number
  readonly seconds: number
  readonly cpuSeconds: { readonly broker: number | undefined; readonly generator: number }
}

export interface BenchFigures {
  readonly measured: Measured
  /** By what they are of: none where the load was no timetable. */
  readonly percentiles: Readonly<Record<string, Percentiles>>
  /** The share of what was sent more than 1 ms after its time; undefined without a timetable. */
  readonly lateShare: number | undefined
  /** What each reader got, against what was put. */
  readonly reports: readonly DeliveryReport[]
  readonly put: number
  readonly refused: number
  readonly firstRefusal: MillraceError | undefined
}

/** The part of a run that is measured. */
export class MeasuredPart {
  readonly #count: () => number
  readonly #brokerCpuSeconds: BenchRun['brokerCpuSeconds']
  #begun: Look | undefined

  constructor(count: () => number, { brokerCpuSeconds }: BenchRun) {
    this.#count = count
    this.#brokerCpuSeconds = brokerCpuSeconds
  }

  begin(): void {
    this.#begun = this.#look()
  }

  /**
   * Ends it now; answers once the broker has told what it took. Throws a CliError where it has not
   * begun: there is nothing that a figure could be of.
   */
  async end(): Promise<Measured> {
    const end = this.#look()
    const begin = this.#begun
    if (begin === undefined)
      throw new CliError('NOTHING_MEASURED', cliErrorTable.NOTHING_MEASURED.message)
    const [before, after] = await Promise.all([begin.broker, end.broker])
    return {
      records: end.count - begin.count,
      seconds: Math.max(end.at - begin.at, 1) / 1000,
      cpuSeconds: {
        broker: before === undefined || after === undefined ? undefined : after - before,
        generator: end.generator - begin.generator,
      },
    }
  }

  #look(): Look {
    const { user, system } = process.cpuUsage()
    return {
      at: performance.now(),
      count: this.#count(),
      generator: (user + system) / 1e6,
      broker: this.#brokerCpuSeconds(),
    }
  }
}

interface Look {
  readonly at: number
  readonly count: number
  readonly generator: number
  readonly broker: Promise<number | undefined>
}
