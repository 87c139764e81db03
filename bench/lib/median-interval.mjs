// How sure a median is, without a guess about how the figures are distributed.
import { medianOf } from './values.mjs'

/** The chance that the median lies outside of the interval, on either side. */
const tail = 0.025

const manyFigures = 1000
/** Of a normal distribution, beyond which `tail` lies. */
const deviations = 1.96

/**
 * How many of the lowest, and of the highest, of `count` figures lie outside of the interval: the
 * median is above a figure with chance 1/2, so that the figures below it are binomially distributed.
 */
function outside(count) {
  // As many are distributed normally, and the chance of the first is too small for a number.
  if (count > manyFigures) return Math.floor(count / 2 - (deviations * Math.sqrt(count)) / 2)
  let chance = 0.5 ** count
  let sum = chance
  let lower = 0
  while (sum <= tail && lower < count) {
    lower += 1
    chance *= (count - lower + 1) / lower
    sum += chance
  }
  return lower
}

/**
 * The median of independent figures, with the interval that holds it in at least 95 of 100 such
 * measurements. Fewer than six figures say nothing of that kind: `low` and `high` are then missing.
 */
export function medianInterval(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const lower = outside(sorted.length)
  const median = medianOf(values)
  if (lower === 0) return { median }
  return { median, low: sorted[lower - 1], high: sorted.at(-lower) }
}
