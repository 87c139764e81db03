// The sentence of the README that says what was measured, made from the last results of the machine
// that has all of what it says.
import { formatValue } from '../../lib/values.mjs'
import { filesOf, rowsOf } from './reports.mjs'

const beginMarker = '<!-- begin: written by npm run bench:plot -->'
const endMarker = '<!-- end: written -->'

const rows = {
  keyed: ['I2', /random keys(?:$| \()/],
  sealed: ['I1', /^sealed/],
  single: ['I4', /^single/],
  embedded: ['E4', /^append 500 a call, 100 B, packing included/],
  syncedKeyed: ['I6', /^PutRecords/],
  syncedSealed: ['I6', /^sealed/],
  syncedSingle: ['I6', /^single/],
}

/** The last row of each that is in some of the reports; undefined where one is in none. */
function lastRows(reports) {
  const found = Object.entries(rows).map(([name, [id, pattern]]) => [
    name,
    rowsOf(reports, id, (row) => pattern.test(row.name))[0],
  ])
  return found.some(([, row]) => row === undefined) ? undefined : Object.fromEntries(found)
}

/** The sentence, or undefined where no machine has all rows. */
export function measuredText(reports) {
  const machines = [...new Set(reports.map((it) => it.machine.processor).reverse())]
  const ofMachine = (machine) => reports.filter((it) => it.machine.processor === machine)
  const last = machines.map((it) => lastRows(ofMachine(it))).find((it) => it !== undefined)
  if (last === undefined) return undefined
  const all = Object.values(last)
  const dates = [...new Set(all.map((row) => row.date))].toSorted().join(', ')
  const files = filesOf(all).map((name) => `\`bench/results/${name}\``)
  const of = Object.fromEntries(
    Object.entries(last).map(([name, row]) => [name, formatValue(row.value, row.unit)]),
  )
  return [
    `**Measured** ${dates} on ${all[0].machine.processor} (two virtual processors of one`,
    'machine, broker on one and generator on the other), records of 100 B acknowledged with `os`:',
    `${of.keyed} by \`PutRecords\` with random keys over 4 shards, ${of.sealed} in sealed batches,`,
    `${of.single} as single puts on one connection; embedded, ${of.embedded} from Node, packing`,
    `included. With \`disk\`: ${of.syncedKeyed}, ${of.syncedSealed} and ${of.syncedSingle}.`,
    `The numbers are in ${files.join(' and ')};`,
    "the machine's own ceiling beside each figure, and how it was measured, stand in",
    '`bench/README.md`; `npm run bench` measures yours.',
  ].join('\n')
}

/** The text of the README with the sentence between its markers. */
export function replaceMeasured(text, sentence) {
  const begin = text.indexOf(beginMarker)
  const end = text.indexOf(endMarker)
  if (begin < 0 || end < begin) throw new Error('the README has lost the markers of its sentence')
  return `${text.slice(0, begin + beginMarker.length)}\n\n${sentence}\n\n${text.slice(end)}`
}
