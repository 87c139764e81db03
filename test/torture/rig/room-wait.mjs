// How long appends may be refused after room was made on a full disk. Pure.
import { lateness } from '../broker/machine-lag.mjs'

const REFUSED_MILLIS_MAX = 1000
// The look at the space, and the append behind it.
const STEPS = 2
const LATE_MILLIS_MAX = 1000

// What is wrong with a wait of `millis` that was over at `until`, or null. Where the tier is for
// machines that do other things besides, `delays` says what of it they were late with, as T-C1 has
// it; up to a bound, and without it nothing is excused.
export function judgeWait({ millis, until }, delays) {
  const late = delays === null ? 0 : Math.round(STEPS * lateness(delays, until - millis, until))
  const millisMax = REFUSED_MILLIS_MAX + Math.min(LATE_MILLIS_MAX, late)
  if (millis <= millisMax) return null
  return `appends were refused for ${millis} ms after room was made, ${millisMax} ms are allowed`
}
