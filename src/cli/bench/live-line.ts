/** A line each second of what goes on. */

import type { Output } from '../output.ts'
import { formatBytes, formatCount, formatMillis } from '../units.ts'
import type { Latency } from './latency.ts'

const intervalMillis = 1000
const rateWidth = 9

export interface LiveCounters {
  /** Records so far, by what was done with them, such as `put`. */
  readonly counts: Readonly<Record<string, () => number>>
  /** Of each of them. */
  readonly recordBytes: number
  /** The 99th percentile of each second is shown. */
  readonly latency?: Latency | undefined
}

interface Sample {
  readonly atMillis: number
  readonly counts: Readonly<Record<string, number>>
}

/** One line; `startMillis` and the times of the samples are in ms of performance.now(). */
export function liveText(
  startMillis: number,
  before: Sample,
  now: Sample,
  { recordBytes, p99 }: { readonly recordBytes: number; readonly p99: number | undefined },
): string {
  const seconds = Math.max(now.atMillis - before.atMillis, 1) / 1000
  const rates = Object.entries(now.counts).map(([name, count]) => {
    const rate = (count - (before.counts[name] ?? 0)) / seconds
    const text = formatCount(Math.round(rate)).padStart(rateWidth)
    return `${name} ${text}/s ${formatBytes(rate * recordBytes).padStart(rateWidth)}/s`
  })
  const passed = `${Math.round((now.atMillis - startMillis) / 1000)} s`.padStart(5)
  const tail = p99 === undefined ? [] : [`p99 ${formatMillis(p99)}`]
  return [passed, ...rates, ...tail].join('   ')
}

/** Shows counters, one set after the other; nothing where the output is JSON. */
export class LiveLine {
  readonly #output: Output
  #timer: NodeJS.Timeout | undefined

  constructor(output: Output) {
    this.#output = output
  }

  show(counters: LiveCounters | undefined): void {
    clearInterval(this.#timer)
    if (counters === undefined || this.#output.json) return
    const start = sampleOf(counters)
    let before = start
    this.#timer = setInterval(() => {
      const now = sampleOf(counters)
      const { recordBytes, latency } = counters
      const p99 = latency?.recentP99()
      this.#output.note(liveText(start.atMillis, before, now, { recordBytes, p99 }))
      before = now
    }, intervalMillis)
  }
}

function sampleOf({ counts }: LiveCounters): Sample {
  const now = Object.entries(counts).map(([name, count]) => [name, count()] as const)
  return { atMillis: performance.now(), counts: Object.fromEntries(now) }
}
