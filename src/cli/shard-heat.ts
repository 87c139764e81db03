/** How hot the shards of a stream are, and what it does about that by itself, for people. */

import type { ShardHeat } from '../wire/operations.ts'
import type { ScalingDescription } from '../wire/reshard-verbs.ts'
import { percentText, rangeText } from './hash-space.ts'
import { type Output, rightTable } from './output.ts'
import { formatBytes, formatCount, formatMillis, plural } from './units.ts'

const barCells = 10
/** Where a bar ends: shards can have more than they are taken to carry. */
const barPercent = 100
const fullCell = '█'
const emptyCell = '·'
const unknown = '-'

type Mark = 'split' | 'merge' | 'blocked' | ''

/** The open shards, the rates of each and a bar of its load. */
export function heatLines(
  output: Output,
  { shards, changes, blocked }: ScalingDescription,
): string[] {
  const marks = new Map<string, Mark>(blocked.map((it) => [it.shardId, 'blocked']))
  for (const { shardIds: changed } of changes) {
    for (const id of changed) marks.set(id, changed.length === 1 ? 'split' : 'merge')
  }
  const head = ['shard', 'hash keys', 'records/s', 'bytes/s', 'load', '']
  const rows = shards.map((it) => [
    it.shardId,
    rangeText(it.startingHashKey, it.endingHashKey),
    ...ratesOf(it),
    `${bar(it)} ${marks.get(it.shardId) ?? ''}`,
  ])
  const [headLine = '', ...lines] = rightTable([head, ...rows], [2, 3, 4])
  return [
    output.style('dim', headLine),
    ...lines.map((line, at) => coloured(output, line, marks.get(shards[at]?.shardId ?? ''))),
    ...measuredLines(shards),
  ]
}

function ratesOf({ recordsPerSecond, bytesPerSecond, loadPercent, ...heat }: ShardHeat): string[] {
  if (heat.measuredMillis === 0) return [unknown, unknown, unknown]
  return [
    formatCount(recordsPerSecond),
    formatBytes(bytesPerSecond),
    `${formatCount(loadPercent)} %`,
  ]
}

/** Over which time, and what is missing: nothing known is not the same as nothing there. */
function measuredLines(shards: readonly ShardHeat[]): string[] {
  const millis = Math.max(0, ...shards.map((it) => it.measuredMillis))
  const lines =
    millis === 0
      ? []
      : ['', `Measured over ${formatMillis(millis)}; load: of what a shard is taken to carry.`]
  if (shards.every((it) => it.measuredMillis > 0)) return lines
  return [...lines, '', `${unknown} is not known yet: ask again in some seconds.`]
}

function bar({ loadPercent }: ShardHeat): string {
  const cells = Math.min(barCells, Math.round((barCells * loadPercent) / barPercent))
  return fullCell.repeat(cells) + emptyCell.repeat(barCells - cells)
}

function coloured(output: Output, line: string, mark: Mark | undefined): string {
  if (mark === 'blocked') return output.style('red', line)
  return mark === undefined || mark === '' ? line : output.style('yellow', line)
}

/** What the stream is, what its shards have, and what it would do now. */
export function scalingLines(
  output: Output,
  stream: string,
  described: ScalingDescription,
): string[] {
  const { streamMode, shards, shardsMin, shardsMax } = described
  const bounds = streamMode === 'ON_DEMAND' ? `, ${shardsMin} to ${shardsMax} allowed` : ''
  return [
    `${output.style('bold', stream)} is ${streamMode}: ` +
      `${plural(shards.length, 'open shard')}${bounds}`,
    '',
    ...heatLines(output, described),
    ...decisionLines(described),
  ]
}

function decisionLines(described: ScalingDescription): string[] {
  const { streamMode, isAutomatic, changes, blocked, restMillis } = described
  if (streamMode !== 'ON_DEMAND') {
    return ['Its shards stay as they are: `millrace stream scale STREAM COUNT` changes them.']
  }
  if (!isAutomatic) return ['Its shards stay as they are: scaling.disabled is set at the broker.']
  const lines = changes.map(({ shardIds, startingHashKeys, reason }) => {
    const [first, second] = shardIds
    return second === undefined
      ? `Would split ${first} at ${percentText(startingHashKeys[1] ?? 0n)}: ${reason}.`
      : `Would merge ${first} and ${second}: ${reason}.`
  })
  for (const { shardId, blockReason, reason } of blocked) {
    lines.push(`Cannot split ${shardId}, ${blockReason}: ${reason}.`)
  }
  if (restMillis > 0) lines.push(`Changes nothing for another ${formatMillis(restMillis)}.`)
  return lines.length > 0 ? lines : ['Would change nothing now.', ...ruleLines(described)]
}

function ruleLines(described: ScalingDescription): string[] {
  const { splitPercent, splitMillis, mergePercent, mergeMillis } = described
  const [splits, merges] = [formatMillis(splitMillis), formatMillis(mergeMillis)]
  return [
    `It splits a shard that has more than ${splitPercent} % for ${splits}, and merges two that`,
    `have less than ${mergePercent} % together, at every time for ${merges}.`,
  ]
}
