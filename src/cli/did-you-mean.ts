/** The name that somebody probably meant. */

/** How many letters have to be changed, added, left out or swapped to get from one to the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      let least = Math.min(
        (last[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (last[column - 1] as number) + cost,
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        least = Math.min(least, (beforeLast[column - 2] as number) + 1)
      }
      current.push(least)
    }
    beforeLast = last
    last = current
  }
  return last[b.length] as number
}

/** The nearest of `names`, or undefined where none is near enough to be what was meant. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = normal(name)
  let best: string | undefined
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1
  for (const candidate of names) {
    const distance = editDistance(wanted, normal(candidate))
    if (distance < least) {
      best = candidate
      least = distance
    }
  }
  return best
}

/** `logLevel`, `log-level` and `LOG_LEVEL` are one word. */
function normal(name: string): string {
  return name.replace(/[-_]/g, '').toLowerCase()
}
