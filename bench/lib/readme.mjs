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

export function writeReadme(path, report, benches) {
  const tables = readmeTables(report.machine, report.results, benches)
  writeFileSync(path, replaceTables(readFileSync(path, 'utf8'), tables))
}
