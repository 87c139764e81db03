// Results in files: an array of rows, each of which names the machine that it was measured on.
import { readFileSync, writeFileSync } from 'node:fs'

/** `{ machine, results }` of what a file holds; files of before have that form themselves. */
export function parseReport(text) {
  const json = JSON.parse(text)
  if (!Array.isArray(json)) return json
  const results = json.map(({ machine: _, ...row }) => row)
  return { machine: json[0]?.machine ?? {}, results }
}

/** Throws a RangeError for a file that cannot be read or holds no results. */
export function readReport(path) {
  try {
    const report = parseReport(readFileSync(path, 'utf8'))
    if (!Array.isArray(report?.results)) throw new SyntaxError('it holds no results of benches')
    return report
  } catch (error) {
    throw new RangeError(`${path}: ${error.message}`, { cause: error })
  }
}

export function reportText({ machine, results }) {
  return `${JSON.stringify(
    results.map((row) => ({ ...row, machine })),
    null,
    2,
  )}\n`
}

export function writeReport(path, report) {
  writeFileSync(path, reportText(report))
}
