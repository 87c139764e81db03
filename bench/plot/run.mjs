#!/usr/bin/env node
// Draws the figures of the README from what was measured, `npm run bench:plot`, and puts them there, with the
// sentence that says what was measured.
// Those that no report has the rows for are left out, and said. With two folders, results and
// figures, it draws from the one into the other and leaves the README as it is.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { figures, replaceFigures } from './lib/figures.mjs'
import { measuredText, replaceMeasured } from './lib/measured.mjs'
import { readReports } from './lib/reports.mjs'

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url))

/** Draws into a folder; answers the names of the figures that there is something for. */
function drawAll(from, to) {
  const reports = readReports(from)
  mkdirSync(to, { recursive: true })
  return Object.entries(figures).flatMap(([name, { draw }]) => {
    const path = join(to, `${name}.svg`)
    const text = draw(reports)
    process.stdout.write(text === undefined ? `${name}: nothing was measured\n` : `${path}\n`)
    if (text === undefined) rmSync(path, { force: true })
    else writeFileSync(path, text)
    return text === undefined ? [] : [name]
  })
}

const [from, to] = process.argv.slice(2)
const names = drawAll(from ?? pathOf('../results'), to ?? pathOf('figures'))
if (to === undefined) {
  const readme = pathOf('../../README.md')
  const text = replaceFigures(readFileSync(readme, 'utf8'), names)
  const sentence = measuredText(readReports(pathOf('../results')))
  writeFileSync(readme, sentence === undefined ? text : replaceMeasured(text, sentence))
}
