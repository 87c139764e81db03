// A run beside an earlier one, row by row.
import { formatValue, isTime } from './values.mjs'

const keyOf = ({ id, name }) => `${id}: ${name}`

/** Each row that the earlier run has, too; `ratio` is this one over that one. */
export function compareRows(results, earlier) {
  const before = new Map(earlier.map((row) => [keyOf(row), row]))
  return results.flatMap((row) => {
    const other = before.get(keyOf(row))
    if (other === undefined || other.unit !== row.unit || other.value === 0) return []
    return [{ row, other, ratio: row.value / other.value }]
  })
}

/** Lines for a terminal; rows that the earlier run has not are counted last. */
export function comparisonLines(results, { machine, results: earlier }) {
  const compared = compareRows(results, earlier)
  const lines = compared.map(({ row, other, ratio }) => {
    const side = isTime(row.unit) ? ', less is better' : ''
    const figures = `${formatValue(row.value, row.unit)} now, ${formatValue(other.value, other.unit)} then`
    return `${ratio.toFixed(2)} x  ${keyOf(row)}: ${figures}${side}`
  })
  const others = results.length - compared.length
  return [
    `beside the run of ${machine.date} (${machine.load} load, ${machine.processor}):`,
    ...lines.map((line) => `  ${line}`),
    ...(others === 0 ? [] : [`  figures that are not in that run, or in another unit: ${others}`]),
  ]
}
