// Which mutants a run makes.
import { UsageError } from '../torture/lib/options.mjs'

const MILLIS_PER_DAY = 86_400_000

// Days since 1970.
export function today() {
  return Math.floor(Date.now() / MILLIS_PER_DAY)
}

// How many rows of the table a run of the ci tier makes: the day picks one half or the other.
export const halfOf = (table) => Math.ceil(table.length / 2)

// `only`: those numbers. Otherwise `count` of them, and others for each `seed`, in turns, so that
// none is left out for good; in the ci tier, where minutes count, half of the `table` come first,
// and the rest are from the others.
export function select(mutants, { only, tier, count, seed, table }) {
  if (only !== undefined) return numbered(mutants, only.split(',').map(Number))
  const ofTable = tier === 'ci' ? numbered(mutants, table) : []
  const first = inTurns(ofTable, halfOf(ofTable), seed)
  const wanted = Math.min(Number(count ?? mutants.length), mutants.length) - first.length
  if (wanted < 0) throw new UsageError(`the tier has ${first.length} mutants, not ${count}`)
  const others = mutants.filter((mutant) => !ofTable.includes(mutant))
  return [...first, ...inTurns(others, wanted, seed)]
}

// `wanted` of them: the next ones for the next seed.
function inTurns(all, wanted, seed) {
  const first = (Number(seed) * wanted) % all.length
  return Array.from({ length: wanted }, (_, at) => all[(first + at) % all.length])
}

function numbered(mutants, wanted) {
  const numbers = new Set(wanted)
  const chosen = mutants.filter((mutant) => numbers.delete(mutant.number))
  if (numbers.size > 0) throw new UsageError(`there is no mutant ${[...numbers].join(', ')}`)
  return chosen
}
