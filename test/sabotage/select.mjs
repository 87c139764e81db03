// Which mutants a run makes.

const MILLIS_PER_DAY = 86_400_000

// Days since 1970.
export function today() {
  return Math.floor(Date.now() / MILLIS_PER_DAY)
}

// `only`: those numbers. Otherwise `count` of them, and others for each `seed`, in turns, so that
// none is left out for good; in the ci tier, where minutes count, those of the `table` come first,
// and only the rest is left to the seed.
export function select(mutants, { only, tier, count, seed, table }) {
  if (only !== undefined) return numbered(mutants, only.split(',').map(Number))
  const always = tier === 'ci' ? numbered(mutants, table) : []
  const others = mutants.filter((mutant) => !always.includes(mutant))
  const wanted = Math.min(Number(count ?? mutants.length), mutants.length) - always.length
  if (wanted < 0) throw new Error(`the tier has ${always.length} mutants, not ${count}`)
  const first = (Number(seed) * wanted) % others.length
  const drawn = Array.from({ length: wanted }, (_, at) => others[(first + at) % others.length])
  return [...always, ...drawn]
}

function numbered(mutants, wanted) {
  const numbers = new Set(wanted)
  const chosen = mutants.filter((mutant) => numbers.delete(mutant.number))
  if (numbers.size > 0) throw new Error(`there is no mutant ${[...numbers].join(', ')}`)
  return chosen
}
