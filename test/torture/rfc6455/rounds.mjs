// Carries out all cases of one side in rounds, each with the bytes cut in its own way, and says
// what came of them.
import { TortureFailure } from '../lib/failure.mjs'
import { CUTS } from './bytes-in-pieces.mjs'
import { deviations } from './deviations.mjs'

const TOGETHER = 8
const SHOWN_MAX = 10

export const ROUNDS = Object.keys(CUTS)

// All of them once, and in every form several times.
export function countsOf(cases) {
  return { ci: cases.length, full: cases.length * ROUNDS.length * 5 }
}

// `run(case, cut)` carries out one. Answers a row for each; throws where one is not as expected.
export async function runRounds(context, cases, run) {
  const rows = []
  for (let round = 0; rows.length < context.count; round++) {
    rows.push(...(await runRound(context, cases, run, ROUNDS[round % ROUNDS.length], rows.length)))
  }
  const wrong = rows.filter(({ isExpected }) => !isExpected)
  if (wrong.length === 0) return rows
  const text = wrong.slice(0, SHOWN_MAX).map(describe).join('\n        ')
  throw new TortureFailure(`${wrong.length} cases:\n        ${text}`, { details: { wrong } })
}

async function runRound(context, cases, run, how, done) {
  const random = context.random.fork(`${done} ${how}`)
  const rows = []
  const work = async (left) => {
    for (let it = left.shift(); it !== undefined; it = left.shift()) {
      const outcome = await runOne(it, run, how, random.fork(it.number))
      const { number, chapter, name, rule, expect, deviation = null } = it
      rows.push({ number, chapter, name, rule, expect, deviation, how, ...outcome })
      context.progress(done + rows.length)
    }
  }
  const small = cases.filter((it) => it.make === undefined)
  await Promise.all(Array.from({ length: TOGETHER }, () => work(small)))
  // Large messages keep this thread from everything else.
  await work(cases.filter((it) => it.make !== undefined))
  return rows
}

async function runOne(it, run, how, random) {
  const cut = (bytes) => CUTS[how](bytes, random)
  // The large ones are made when they are needed.
  const whole = it.make === undefined ? it : { ...it, send: it.make() }
  try {
    return await run(whole, cut)
  } catch (error) {
    return { isExpected: false, observed: error.message }
  }
}

function describe({ number, name, rule, how, expect, observed }) {
  return `${number} ${name} (${rule}), ${how}: ${observed || 'nothing'} instead of ${
    expect.join('; ') || 'nothing'
  }`
}

// How many cases are as the RFC says, and a line for each deviation with the cases that show it.
export function deviationsOf(cases) {
  const of = (level) =>
    cases.filter(({ deviation }) => deviations[deviation]?.level === level).length
  const [must, should] = [of('MUST'), of('SHOULD')]
  return {
    note:
      `of ${cases.length} cases ${cases.length - must - should} as the RFC says; ` +
      `${must} deviate from a MUST and ${should} from a SHOULD, as documented`,
    lines: Object.entries(deviations).flatMap(([name, { level, rfc, instead }]) => {
      const numbers = cases.filter((it) => it.deviation === name).map(({ number }) => number)
      if (numbers.length === 0) return []
      return [
        `${level}, ${rfc}. Here: ${instead}. ${numbers.length}: ${inRanges(numbers).join(' ')}`,
      ]
    }),
  }
}

// Numbers as people write them: 3.13 to 3.32.
function inRanges(numbers) {
  const ranges = []
  for (const number of numbers) {
    const [chapter, text] = number.split('.')
    const index = Number(text)
    const range = ranges.at(-1)
    if (range?.chapter === chapter && range.last === index - 1) range.last = index
    else ranges.push({ chapter, first: index, last: index })
  }
  return ranges.map(({ chapter, first, last }) =>
    first === last ? `${chapter}.${first}` : `${chapter}.${first}-${last}`,
  )
}
