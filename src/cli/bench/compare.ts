/** Compares a run with an earlier one. */

import { readFileSync } from 'node:fs'
import { CliError } from '../exit-codes.ts'
import { formatCount, formatMillis } from '../units.ts'
import type { BenchRow } from './bench-row.ts'
import type { Percentiles } from './latency.ts'

/** What is read of an earlier row. */
export type EarlierRow = Pick<BenchRow, 'id' | 'at' | 'params' | 'value' | 'percentiles'>

/**
 * The rows of a file that `--json` wrote, one a line. Throws a CliError, FILE_UNREADABLE, for one
 * that cannot be read, or that has no such rows.
 */
export function readRows(path: string): EarlierRow[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n')
    return lines.filter((line) => line.trim() !== '').map(parseRow)
  } catch (error) {
    throw noRows(path, error)
  }
}

function noRows(path: string, cause: unknown): CliError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new CliError('FILE_UNREADABLE', `${path}: ${why}`, {
    hint: 'Name a file that was written with: millrace bench put --json > FILE',
    cause,
  })
}

function parseRow(line: string): EarlierRow {
  const row = JSON.parse(line) as Partial<EarlierRow> | null
  const isRow = typeof row?.id === 'string' && typeof row.value === 'number' && row.params
  if (!isRow) throw new SyntaxError('a line is no result of a bench')
  return row as EarlierRow
}

export interface Comparison {
  /** Of the earlier run. */
  readonly at: string
  /** By what is compared: this run over the earlier one. */
  readonly ratios: Readonly<Record<string, number>>
  /** Parameters that are not the same. */
  readonly differing: readonly string[]
}

/** With the last earlier run of the same kind and parameters, else of the same kind. */
export function compare(row: BenchRow, earlier: readonly EarlierRow[]): Comparison | undefined {
  const sameKind = earlier.filter((it) => it.id === row.id)
  const other = sameKind.findLast((it) => differing(row, it).length === 0) ?? sameKind.at(-1)
  if (other === undefined) return undefined
  const ratios: Record<string, number> = { rate: row.value / other.value }
  for (const [name, now] of Object.entries(row.percentiles ?? {})) {
    const before = other.percentiles?.[name]
    if (before === undefined) continue
    for (const at of ['p50', 'p99', 'p99.9'] as const)
      ratios[`${name}, ${at}`] = now[at] / before[at]
  }
  return { at: other.at, ratios, differing: differing(row, other) }
}

function differing(row: BenchRow, other: EarlierRow): string[] {
  const names = new Set([...Object.keys(row.params), ...Object.keys(other.params)])
  return [...names].filter((name) => row.params[name] !== other.params[name])
}

/** A line for each figure: what it is, over what it was. */
export function comparisonLines(row: BenchRow, earlier: readonly EarlierRow[]): string[] {
  const found = compare(row, earlier)
  if (found === undefined) return [`compared  there is no earlier run of ${row.id}`]
  const others = found.differing.join(', ')
  const note = others === '' ? '' : `, which had other parameters: ${others}`
  return [
    `compared  with the run of ${found.at}${note}`,
    ...Object.entries(found.ratios).map(
      ([name, ratio]) => `  ${ratio.toFixed(2)} x  ${name}: ${figure(row, name)}`,
    ),
  ]
}

/** The figure of this run that a ratio is about. */
function figure(row: BenchRow, name: string): string {
  const [of = '', at] = name.split(', ')
  const percentiles = row.percentiles?.[of]
  if (percentiles === undefined || at === undefined) {
    return `${formatCount(Math.round(row.value))} records/s`
  }
  return formatMillis((percentiles[at as keyof Percentiles] as number) / 1000)
}
