// How a figure has changed over a long run.
import { medianOf } from './values.mjs'

/** Whether a third of so many parts is over with this one, which is counted from 0. */
export const endsThird = (part, parts) =>
  Math.floor((3 * (part + 1)) / parts) > Math.floor((3 * part) / parts)

/** The median of the last third over that of the first. */
export function drift(values) {
  const third = Math.max(1, Math.floor(values.length / 3))
  return medianOf(values.slice(-third)) / medianOf(values.slice(0, third))
}
