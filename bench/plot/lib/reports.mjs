// What figures are made of: of each bench the rows of the last report that has them.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readReport } from '../../lib/reports.mjs'

/** The reports of a folder, the oldest first, each with the name of its file. */
export function readReports(directory) {
  const names = readdirSync(directory).filter((name) => name.endsWith('.json'))
  return names.toSorted().map((name) => ({
    name,
    ...readReport(join(directory, name)),
  }))
}

/** The rows of a bench that `matches`, with `date` and `machine` of their report; [] without any. */
export function rowsOf(reports, id, matches = () => true) {
  const rows = (report) => report.results.filter((row) => row.id === id && matches(row))
  const report = reports.findLast((it) => rows(it).length > 0)
  if (report === undefined) return []
  const { machine, name } = report
  return rows(report).map((row) => ({
    ...row,
    date: machine.date.slice(0, 10),
    machine,
    file: name,
  }))
}

/** Where rows were measured, and when. */
export function sourceOf(rows) {
  const dates = [...new Set(rows.map((row) => row.date))].toSorted().join(', ')
  const machines = [...new Set(rows.map((row) => row.machine.processor))].join('; ')
  return `Measured ${dates} on ${machines}, everything over loopback: bench/README.md`
}

/** The files that rows came from, for those who want the numbers. */
export const filesOf = (rows) => [...new Set(rows.map((row) => row.file))].toSorted()
