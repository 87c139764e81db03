/** What the kinds of runs have in common when they tell what they came to. */

import type { BenchFigures } from './bench-run.ts'
import type { Percentiles } from './latency.ts'
import type { PutLoad } from './put-load.ts'

type PutFigures = Pick<BenchFigures, 'lateShare' | 'put' | 'refused' | 'firstRefusal'>

export function putFigures(load: PutLoad): PutFigures {
  const { lateShare, taken: put, firstRefusal } = load
  return { lateShare, put, refused: load.refused.size, firstRefusal }
}

/** Those that there are. */
export function named(
  all: Readonly<Record<string, Percentiles | undefined>>,
): Record<string, Percentiles> {
  const found: Record<string, Percentiles> = {}
  for (const [name, it] of Object.entries(all)) if (it !== undefined) found[name] = it
  return found
}
