// RFC 6455 case by case against a broker, over plain sockets (rfc6455/cases.mjs). Where the broker
// does something else than the RFC asks for, the case says so, and the report counts it apart.
import { BrokerProcess, freePort } from '../broker/broker-process.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { needBuild } from '../lib/machine.mjs'
import { cases } from '../rfc6455/cases.mjs'
import { deviations } from '../rfc6455/deviations.mjs'
import { CUTS, runCase } from '../rfc6455/driver.mjs'

// Each round sends the bytes of all cases in pieces of its own.
const ROUNDS = Object.keys(CUTS)
const TOGETHER = 8
const SHOWN_MAX = 10

async function runOne(port, it, how, random) {
  const cut = (bytes) => CUTS[how](bytes, random)
  // The large ones are made when they are needed.
  const whole = it.make === undefined ? it : { ...it, send: it.make() }
  try {
    return await runCase(port, whole, cut)
  } catch (error) {
    return { isExpected: false, observed: error.message }
  }
}

function describe({ number, name, rule, how, expect, observed }) {
  return `${number} ${name} (${rule}), ${how}: ${observed || 'nothing'} instead of ${
    expect.join('; ') || 'nothing'
  }`
}

// Carries out all cases; answers a row for each.
async function runRound(context, port, how, done) {
  const random = context.random.fork(`${done} ${how}`)
  const rows = []
  const left = [...cases]
  const work = async () => {
    for (let it = left.shift(); it !== undefined; it = left.shift()) {
      const outcome = await runOne(port, it, how, random.fork(it.number))
      const { number, chapter, name, rule, expect, deviation = null } = it
      rows.push({ number, chapter, name, rule, expect, deviation, how, ...outcome })
      context.progress(done + rows.length)
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, work))
  return rows
}

// Numbers as people write them: 3.13 to 3.32.
function inRanges(numbers) {
  const ranges = []
  for (const number of numbers) {
    const [chapter, index] = number.split('.').map(Number)
    const range = ranges.at(-1)
    if (range?.chapter === chapter && range.last === index - 1) range.last = index
    else ranges.push({ chapter, first: index, last: index })
  }
  return ranges.map(({ chapter, first, last }) =>
    first === last ? `${chapter}.${first}` : `${chapter}.${first}-${last}`,
  )
}

// One line for each deviation, with the cases that show it.
export function deviationLines() {
  return Object.entries(deviations).map(([name, { level, rfc, instead }]) => {
    const numbers = cases.filter((it) => it.deviation === name).map(({ number }) => number)
    return `${level}, ${rfc}. Here: ${instead}. ${numbers.length}: ${inRanges(numbers).join(' ')}`
  })
}

async function runTest(context) {
  const { directory, count, random } = context
  const port = await freePort(random)
  const broker = new BrokerProcess(directory, port)
  context.cleanup(() => broker.kill())
  await broker.ready()
  const rows = []
  for (let round = 0; rows.length < count; round++) {
    rows.push(...(await runRound(context, port, ROUNDS[round % ROUNDS.length], rows.length)))
  }
  const wrong = rows.filter(({ isExpected }) => !isExpected)
  if (wrong.length > 0) {
    const text = wrong.slice(0, SHOWN_MAX).map(describe).join('\n        ')
    throw new TortureFailure(`${wrong.length} cases:\n        ${text}`, { details: { wrong } })
  }
  const status = await broker.stop()
  const { complaints } = broker
  if (complaints.length > 0) throw new TortureFailure(complaints.join('\n'))
  if (status !== 0) throw new TortureFailure(`the broker ended with ${status}`)
  const deviating = (level) =>
    cases.filter(({ deviation }) => deviations[deviation]?.level === level).length
  const [must, should] = [deviating('MUST'), deviating('SHOULD')]
  return {
    trials: rows.length,
    note:
      `of ${cases.length} cases ${cases.length - must - should} as the RFC says; ` +
      `${must} deviate from a MUST and ${should} from a SHOULD, as documented`,
    lines: deviationLines(),
    details: { rows },
  }
}

export const tests = [
  {
    id: 'T-F3',
    title: 'RFC 6455, case by case',
    unit: 'cases',
    // All of them once, and in every form several times.
    counts: { ci: cases.length, full: cases.length * ROUNDS.length * 5 },
    skip: needBuild,
    run: runTest,
  },
]
