/** What a replay came to, in words and figures. */

import { programName } from '../program-name.ts'
import { formatBytes, formatCount, formatMillis } from '../units.ts'
import type { Replay } from './replay.ts'

/** Lines with the rates and the latency of the whole run. */
export function figures(run: Replay, millis: number): string[] {
  const seconds = millis / 1000
  const perSecond = (count: number) => formatCount(Math.round(count / seconds))
  const at = (percentile: number) => formatMillis(run.latency.percentile(percentile) / 1000)
  const max = formatMillis(run.latency.max / 1000)
  return [
    `in ${formatMillis(millis)}, every put acknowledged after its sync to disk (durability disk)`,
    `  put        ${perSecond(run.put)} records/s   ${formatBytes(run.putBytes / seconds)}/s`,
    ...run.checks.map((check, index) => {
      const { delivered } = check.report()
      const all = formatCount(delivered)
      return `  consumer ${index + 1} ${perSecond(delivered)} records/s   ${all} in all`
    }),
    `  latency    put to consumer, at full load: ${at(50)} median, ${at(99)} p99, ${max} max`,
  ]
}

/** The last line: the worst of the consumers counts. */
export function verdict(run: Replay): { readonly line: string; readonly isClean: boolean } {
  const reports = run.checks.map((check) => check.report())
  const worst = (of: 'lost' | 'duplicated' | 'outOfOrder' | 'foreign') =>
    Math.max(...reports.map((report) => report[of]))
  const delivered = Math.min(...reports.map((report) => report.delivered))
  const [lost, duplicated, outOfOrder] = [worst('lost'), worst('duplicated'), worst('outOfOrder')]
  const foreign = worst('foreign')
  const alien = foreign === 0 ? '' : `, ${foreign} that were never put`
  return {
    line:
      `demo: ${run.put} put, ${delivered} delivered, ${lost} lost, ${duplicated} duplicated, ` +
      `${outOfOrder} out of order${alien}`,
    isClean: delivered === run.total && lost + duplicated + outOfOrder + foreign === 0,
  }
}

/** What to try with the broker that stays. */
export function nextCommands(url: string): string[] {
  const program = programName(new URL('..', import.meta.url).href)
  return [
    '',
    'the broker runs on; paste into another terminal, in this folder:',
    `  export MILLRACE_URL=${url}`,
    `  ${program} stream info flights`,
    `  ${program} get flights --limit 5`,
    `  ${program} tail flights &`,
    `  ${program} put flights --key JFK '{"flight":"mine"}'`,
    'Ctrl-C stops it and removes its data.',
  ]
}
