#!/usr/bin/env node
// The bench runner: `npm run bench -- --help`. What the benches measure and how to read them is
// in README.md beside this file.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benches, select } from './lib/catalog.mjs'
import { comparisonLines } from './lib/compare.mjs'
import { busyWarning, describeMachine, memoryState } from './lib/machine.mjs'
import { HELP, parseOptions, UsageError } from './lib/options.mjs'
import { brokerPrograms, buildFloor, buildNative, buildPackage } from './lib/programs.mjs'
import { writeReadme } from './lib/readme.mjs'
import { readReport, writeReport } from './lib/reports.mjs'
import { complete, runAll } from './lib/runner.mjs'
import { terminalTable } from './lib/table.mjs'
import { Peers } from './peers/lib/compare.mjs'
import { missedPeers, peerLines } from './peers/lib/table.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = join(root, 'bench', 'README.md')
const exitFailed = 1
const exitUsage = 2

const print = (line) => process.stdout.write(`${line}\n`)

function printBench(bench, rows, { before, start, error, skipped }) {
  const seconds = ((Date.now() - start) / 1000).toFixed(1)
  print(`\n${bench.id}: ${bench.title} (${seconds} s)`)
  print(
    `  before it: ${before.freeMebibytes} MiB free, ${before.cachedMebibytes} cached, ` +
      `${before.dirtyMebibytes} dirty, load ${before.loadAverage.toFixed(1)}`,
  )
  if (error) print(`  FAILED: ${error.message}`)
  if (skipped) print(`  skipped: ${skipped}`)
  for (const line of rows.length > 0 ? terminalTable(rows) : []) print(`  ${line}`)
  for (const line of peerLines(rows)) print(`  ${line}`)
  for (const check of new Set(rows.map((row) => row.check))) if (check) print(`  did: ${check}`)
}

function prepare(selected, options) {
  const runs = selected.flatMap((bench) => bench.runs)
  const programs = new Set(
    runs.flatMap((it) => (it.kind === 'native' ? [it.program] : (it.programs ?? []))),
  )
  const needsNode = runs.some((it) => it.kind !== 'native')
  if (runs.some((it) => it.kind === 'broker')) for (const it of brokerPrograms) programs.add(it)
  return {
    root,
    options,
    binaries: buildNative(root, [...programs], options.binaries),
    dist: needsNode ? buildPackage(root, options.dist) : undefined,
    floor: needsNode ? buildFloor(root, options.binaries) : undefined,
  }
}

async function run(selected, options) {
  print('building')
  const context = prepare(selected, options)
  mkdirSync(options.directory, { recursive: true })
  const directory = mkdtempSync(join(options.directory, 'millrace-benches-'))
  const machine = describeMachine(options)
  for (const [name, fact] of Object.entries(machine)) print(`${name}: ${fact}`)
  const warning = busyWarning(memoryState())
  if (warning) print(warning)
  try {
    const own = { ...options, directory }
    const peers = options.peers ? new Peers(own, print) : undefined
    const scratch = { ...context, options: own, peers }
    const onBench = (bench, rows, about, results) => {
      printBench(bench, rows, about)
      // A run that is ended early has what it has found so far.
      if (options.json !== undefined) writeReport(options.json, { machine, results })
    }
    const { results, failures } = await runAll(selected, scratch, onBench)
    return { report: { machine, results }, failures }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function readCompleted(path) {
  const report = readReport(path)
  const results = complete(report.results, benches, report.machine.load)
  return { ...report, results }
}

async function main(args) {
  const options = parseOptions(args)
  if (options.help) return print(HELP)
  const selected = select(options.ids)
  if (options.list) {
    const listed = options.ids.length === 0 ? benches : selected
    for (const bench of listed) print(`${bench.id.padEnd(16)} ${bench.title}`)
    return
  }
  const other = options.compare === undefined ? undefined : readReport(options.compare)
  const earlier = (options.from ?? []).map(readCompleted)
  const made = earlier.length === 0 ? await run(selected, options) : undefined
  const reports = made === undefined ? earlier : [made.report]
  if (options.json !== undefined) writeReport(options.json, reports.at(-1))
  if (options.writeReadme) writeReadme(readme, reports, benches)
  const failures = made?.failures ?? []
  const results = reports.flatMap((it) => it.results)
  const missed = results.filter((row) => row.goals.some((it) => it.verdict === 'below'))
  print(`\n${results.length} figures, ${missed.length} below their goal`)
  for (const row of missed) print(`  ${row.id}: ${row.name}`)
  for (const line of missedPeers(results)) print(`  ${line}`)
  if (other !== undefined) for (const line of comparisonLines(results, other)) print(line)
  for (const failure of failures) process.stderr.write(`${failure}\n`)
  if (failures.length > 0) process.exitCode = exitFailed
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const isUsage = error instanceof UsageError || error instanceof RangeError
  process.stderr.write(`${isUsage ? `${error.message}\n${HELP}` : error.stack}\n`)
  process.exitCode = isUsage ? exitUsage : exitFailed
}
