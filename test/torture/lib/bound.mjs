// What a row of successes proves. No failure in n independent trials bounds the rate of failure
// below 3/n with 95 % confidence (the rule of three).

export function boundOf(trials) {
  return 3 / trials
}

// "10,000 kills, 0 failed (< 0.03 % each, at 95 %)"
export function passText(trials, unit) {
  const counted = `${formatCount(trials)} ${unit}, 0 failed`
  return trials > 3 ? `${counted} (< ${formatPercent(boundOf(trials))} each, at 95 %)` : counted
}

export function formatCount(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',')
}

// Two significant digits, never in scientific notation: it is read by people.
export function formatPercent(fraction) {
  const percent = fraction * 100
  if (percent >= 10) return `${Math.round(percent)} %`
  const digits = Math.max(0, 1 - Math.floor(Math.log10(percent)))
  return `${percent
    .toFixed(digits)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '')} %`
}

export function formatSeconds(millis) {
  return millis < 60_000
    ? `${(millis / 1000).toFixed(1)} s`
    : `${Math.floor(millis / 60_000)} min ${Math.round((millis % 60_000) / 1000)} s`
}
