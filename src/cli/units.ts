/** Numbers as people read and write them. */

const byteUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < byteUnits.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1
  return `${value.toFixed(digits)} ${byteUnits[unit]}`
}

/** Bytes of a text such as `10GiB`, or undefined where it is none. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit = 'B'] = /^(\d+(?:\.\d+)?) ?(B|KiB|MiB|GiB|TiB)?$/i.exec(text) ?? []
  if (amount === undefined) return undefined
  const power = byteUnits.findIndex((it) => it.toLowerCase() === unit.toLowerCase())
  return Math.floor(Number(amount) * 1024 ** power)
}

/** `1,234,567`. */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString('en-US')
}

/** `12 ms`, `3.4 s`, `5 min 6 s`. */
export function formatMillis(millis: number): string {
  if (millis < 10) return `${millis.toFixed(1)} ms`
  if (millis < 1000) return `${Math.round(millis)} ms`
  const seconds = millis / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}

/** A time in milliseconds since 1970, as `2027-01-15T08:00:00.000Z`. */
export function formatTime(millis: number): string {
  return new Date(millis).toISOString()
}

/** `1 stream`, `2 streams`. */
export function plural(count: number, word: string): string {
  return `${formatCount(count)} ${word}${count === 1 ? '' : 's'}`
}

const ageUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds of an age such as `10m`, or undefined where it is none. */
export function parseAge(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d+)(ms|s|m|h|d)$/.exec(text) ?? []
  return amount === undefined ? undefined : Number(amount) * (ageUnits[unit] as number)
}
