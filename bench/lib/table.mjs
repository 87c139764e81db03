// Results as text: for the terminal and for bench/README.md, the share of the limit always before
// the figure.
import { peerCells, peerColumns } from '../peers/lib/table.mjs'
import { formatBars } from './bars.mjs'
import { formatValue, threeDigits } from './values.mjs'

export function formatRatio(limit) {
  if (limit?.ratio === undefined) return '-'
  return limit.ratio >= 3 ? `${threeDigits(limit.ratio)} x` : `${Math.round(limit.ratio * 100)} %`
}

const showBar = {
  ratio: (bar) => `${Math.round(bar * 100)} %`,
  value: formatValue,
  cost: (bar) => `costs at most ${Math.round(bar * 100)} %`,
}

function formatGoals(row) {
  const one = (goal) => formatBars(goal, (bar) => showBar[goal.of](bar, row.unit))
  return row.goals.length === 0 ? '-' : row.goals.map(one).join('; ')
}

function formatSpread(row) {
  if (row.low === undefined || row.high === undefined || row.value === 0) return '-'
  return `${Math.round(((row.high - row.low) / row.value) * 100)} %`
}

function formatInfo(row) {
  return Object.entries(row.info ?? {})
    .map(([name, value]) => `${name} ${threeDigits(value)}`)
    .join(', ')
}

const percent = (share) => `${(share * 100).toFixed(1)} %`

/** Ratios of pairs, with the intervals that hold their medians in 95 of 100 measurements. */
function formatPaired({ byClock, byCpuTime }) {
  const one = ({ median, low, high }) =>
    low === undefined ? percent(median) : `${percent(median)} (${percent(low)} to ${percent(high)})`
  return `${one(byClock)}; by CPU time ${one(byCpuTime)}`
}

export const columns = ['share of limit', 'figure', 'what', 'limit', 'goal', 'spread', 'beside it']

export function cellsOf(row) {
  return [
    row.paired === undefined ? formatRatio(row.limit) : formatPaired(row.paired),
    formatValue(row.value, row.unit),
    row.name,
    row.limit ? `${row.limit.name}: ${formatValue(row.limit.value, row.limit.unit)}` : '-',
    formatGoals(row),
    formatSpread(row),
    formatInfo(row),
  ]
}

/** Lines for a terminal. */
export function terminalTable(rows) {
  const table = [columns, ...rows.map(cellsOf)]
  const widths = columns.map((_, i) => Math.max(...table.map((cells) => cells[i].length)))
  return table.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  )
}

export function markdownTable(header, lines) {
  const row = (cells) => `| ${cells.map((it) => it.replaceAll('|', '\\|')).join(' | ')} |`
  return [row(header), row(header.map(() => '---')), ...lines.map(row)].join('\n')
}

const calibrators = new Set(['sync', 'seam', 'wire', 'instructions', 'hash', 'scan'])

function factsOf(machine, date) {
  return [
    `Measured ${date} (${machine.load} load): ${machine.processor}, ${machine.memoryGibibytes} GiB,`,
    `${machine.kernel}, Node ${machine.node}, ${machine.compiler};`,
    `disk ${machine.disk}; memory file system ${machine.memoryFileSystem}.`,
    `Pinning: ${machine.pinning}.`,
  ].join('\n')
}

/** The map-versus-pwritev matrix: one line per cell of it, both appenders side by side. */
function matrixTable(rows) {
  const maps = rows.filter((row) => row.params.appender === 'map')
  const lines = maps.map((map) => {
    const other = rows.find((row) => row.name === map.name.replace(/^map/, 'pwritev'))
    const { append, memory, durability } = map.params
    const first = (row) =>
      row.info.firstSyncMicros === undefined ? '-' : `${threeDigits(row.info.firstSyncMicros)} us`
    return [
      `${threeDigits(map.limit.ratio)} x`,
      append,
      memory,
      durability,
      formatValue(map.value, 'us'),
      formatValue(other.value, 'us'),
      `${first(map)} / ${first(other)}`,
      `${threeDigits(map.info.minorFaultsPerAppend)} / ${threeDigits(other.info.minorFaultsPerAppend)}`,
    ]
  })
  const header = [
    'pwritev over map',
    'append',
    'pages',
    'durability',
    'map',
    'pwritev',
    'first sync, map / pwritev',
    'minor faults an append, map / pwritev',
  ]
  return markdownTable(header, lines)
}

/** The peers beside rows of a bench, or nothing where it has none. */
function peersTable(rows) {
  const lines = rows.flatMap((row) => (row.peers ?? []).map((peer) => peerCells(row, peer)))
  return lines.length === 0 ? [] : [markdownTable(peerColumns, lines)]
}

/** Everything between the two markers of the README. */
export function readmeTables(machine, results, benches) {
  const parts = [factsOf(machine, machine.date.slice(0, 10))]
  for (const bench of benches) {
    const rows = results.filter((it) => it.id === bench.id)
    if (rows.length === 0) continue
    parts.push(`### ${bench.id}: ${bench.title}`)
    if (bench.id === 'map-vs-pwritev') parts.push(matrixTable(rows))
    else if (calibrators.has(bench.id)) {
      const lines = rows.map((row) => [row.name, formatValue(row.value, row.unit), formatInfo(row)])
      parts.push(markdownTable(['what', 'figure', 'beside it'], lines))
    } else parts.push(markdownTable(columns, rows.map(cellsOf)))
    parts.push(...peersTable(rows))
  }
  return parts.join('\n\n')
}
