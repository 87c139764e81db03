// Which processor a program runs on: servers on the first, what loads them on the last.
import { readFileSync } from 'node:fs'

/** `['taskset', '-c', '0']` for the first processor, or nothing where there is one alone. */
export function pinTo(place) {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  const numbers = list?.split(/[-,]/) ?? []
  if (numbers.length < 2) return []
  return ['taskset', '-c', place === 'first' ? numbers[0] : numbers.at(-1)]
}
