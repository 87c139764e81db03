/** Shows how fast records go in and come out: a line that is redrawn, or a line a second. */

import type { Output } from '../output.ts'
import { formatBytes, formatCount } from '../units.ts'
import type { Replay } from './replay.ts'

const terminalMillis = 200
const usualMillis = 1000

interface Sample {
  readonly at: number
  readonly acknowledged: number
  readonly bytes: number
  readonly delivered: readonly number[]
}

function sampleOf(run: Replay): Sample {
  return {
    at: performance.now(),
    acknowledged: run.acknowledged(),
    bytes: run.acknowledgedBytes,
    delivered: run.checks.map((check) => check.delivered),
  }
}

function rate(now: number, before: number, seconds: number): string {
  return formatCount(Math.round((now - before) / seconds)).padStart(9)
}

function rateLine(run: Replay, now: Sample, before: Sample): string {
  const seconds = Math.max(now.at - before.at, 1) / 1000
  const consumed = now.delivered.map((it, index) => rate(it, before.delivered[index] ?? 0, seconds))
  const share = Math.floor((100 * now.acknowledged) / run.total)
  return [
    `${String(share).padStart(3)} %`,
    `put ${rate(now.acknowledged, before.acknowledged, seconds)}/s`,
    `${formatBytes((now.bytes - before.bytes) / seconds)}/s`,
    ...consumed.map((it, index) => `consumer ${index + 1} ${it}/s`),
  ].join('  ')
}

/** Begins to show rates; what it answers ends that. */
export function liveRates(output: Output, run: Replay): () => void {
  let before = sampleOf(run)
  const show = () => {
    const now = sampleOf(run)
    const line = rateLine(run, now, before)
    before = now
    if (output.isErrorTerminal) output.progress(line)
    else output.line(line)
  }
  const timer = setInterval(show, output.isErrorTerminal ? terminalMillis : usualMillis)
  return () => {
    clearInterval(timer)
    output.endProgress()
  }
}
