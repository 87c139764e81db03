// Whether enough has happened to a group for its history to prove anything. Pure.

// For each second, far below what a quiet machine does (some 1, 0.4 and 10 of them): a busy one takes
// longer for everything, and never as long as that.
const LEAST_PER_SECOND = { kills: 0.2, stops: 0.1, reshards: 0.5 }

// `counts`: { kills, stops, reshards }. Answers in words what there was too little of.
export function tooLittle(counts, seconds) {
  const said = []
  for (const [what, perSecond] of Object.entries(LEAST_PER_SECOND)) {
    const least = Math.ceil(perSecond * seconds)
    if (!(counts[what] >= least)) {
      said.push(`${counts[what]} ${what} in ${seconds} s, at least ${least} were to be`)
    }
  }
  return said
}
