// Figures as text.
const prefixes = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
]

/** 0 of nothing. */
export function medianOf(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Whether figures of this unit are times, or as good as that: less is better. */
export const isTime = (unit) => /^(?:ns|us|ms|s|syncs|instructions)(?:\/|$)/.test(unit)

export function threeDigits(value) {
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 3))
}

/** 1234567, 'records/s' -> '1.23 M records/s'. */
export function formatValue(value, unit) {
  const prefix = unit.endsWith('records/s') ? prefixes.find(([size]) => value >= size) : undefined
  const text = prefix ? `${threeDigits(value / prefix[0])} ${prefix[1]}` : threeDigits(value)
  return `${text} ${unit}`
}
