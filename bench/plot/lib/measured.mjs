// The sentence of the README that says what was measured, made from the last results that have all
// of what it says.
import { formatValue } from '../../lib/values.mjs'

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

function figuresOf({ results }) {
  const found = Object.entries(rows).map(([name, [id, pattern]]) => [
    name,
    results.find((row) => row.id === id && pattern.test(row.name)),
  ])
  if (found.some(([, row]) => row === undefined)) return undefined
  return Object.fromEntries(found.map(([name, row]) => [name, formatValue(row.value, row.unit)]))
}

/** The sentence, or undefined where no report has all rows. */
export function measuredText(reports) {
  const report = reports.findLast((it) => figuresOf(it) !== undefined)
  if (report === undefined) return undefined
  const { machine, name } = report
  const of = figuresOf(report)
  return [
    `**Measured** ${machine.date.slice(0, 10)} on ${machine.processor} (two virtual processors of one`,
    'machine, broker on one and generator on the other), records of 100 B acknowledged with `os`:',
    `${of.keyed} by \`PutRecords\` with random keys over 4 shards, ${of.sealed} in sealed batches,`,
    `${of.single} as single puts on one connection; embedded, ${of.embedded} from Node, packing`,
    `included. With \`disk\`: ${of.syncedKeyed}, ${of.syncedSealed} and ${of.syncedSingle}.`,
    `The numbers are in \`bench/results/${name}\`; the machine's own ceiling beside each figure, and`,
    'how it was measured, stand in `bench/README.md`; `npm run bench` measures yours.',
  ].join('\n')
}

/** The text of the README with the sentence between its markers. */
export function replaceMeasured(text, sentence) {
  const begin = text.indexOf(beginMarker)
  const end = text.indexOf(endMarker)
  if (begin < 0 || end < begin) throw new Error('the README has lost the markers of its sentence')
  return `${text.slice(0, begin + beginMarker.length)}\n\n${sentence}\n\n${text.slice(end)}`
}
