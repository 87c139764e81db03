// The tables of bench/README.md, between two markers: made from results, never written by hand.
import { readFileSync, writeFileSync } from 'node:fs'
import { readmeTables } from './table.mjs'

export const beginMarker = '<!-- begin: tables written by npm run bench -- --write-readme -->'
export const endMarker = '<!-- end: tables -->'

/** The text with what stands between the markers replaced. */
export function replaceTables(text, tables) {
  const begin = text.indexOf(beginMarker)
  const end = text.indexOf(endMarker)
  if (begin < 0 || end < begin) throw new Error('the README has lost its two markers')
  return `${text.slice(0, begin + beginMarker.length)}\n\n${tables}\n\n${text.slice(end)}`
}

/** The tables of several reports: where two have the same bench, those of the later one. */
export function tablesOf(reports, benches) {
  const parts = reports.map(({ machine, results }, at) => {
    const later = new Set(reports.slice(at + 1).flatMap((it) => it.results.map((row) => row.id)))
    const own = results.filter((row) => !later.has(row.id))
    return own.length === 0 ? [] : [readmeTables(machine, own, benches)]
  })
  return parts.flat().join('\n\n')
}

export function writeReadme(path, reports, benches) {
  const tables = tablesOf(reports, benches)
  writeFileSync(path, replaceTables(readFileSync(path, 'utf8'), tables))
}
