#!/usr/bin/env node
// The torture runner: `npm run torture -- --help`. What each test does is in README.md beside this
// file.
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { formatCount } from './lib/bound.mjs'
import { loadTests, selectTests } from './lib/catalog.mjs'
import { insideNamespace, namespaceAvailable, runInNamespace } from './lib/namespace.mjs'
import { HELP, parseOptions, UsageError } from './lib/options.mjs'
import { killChildren } from './lib/processes.mjs'
import { Programs } from './lib/programs.mjs'
import { Report } from './lib/report.mjs'
import { runAll } from './lib/runner.mjs'
import { Workspace } from './lib/workspace.mjs'

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url))
const TESTS = new URL('./tests/', import.meta.url)
const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

function list(tests, options) {
  for (const test of tests) {
    const figures = `${formatCount(test.counts.ci)} / ${formatCount(test.counts.full)} ${test.unit}`
    const reason = test.skip?.() ?? null
    const cannot = reason === null ? '' : `  [cannot run here: ${reason}]`
    process.stdout.write(`${test.id.padEnd(6)} ${figures.padEnd(28)} ${test.title}${cannot}\n`)
  }
  process.stdout.write(`Figures: tier ci / tier full. Selected tier: ${options.tier}.\n`)
}

// An interrupt still tidies up: children are killed by handle, the tests fail and run their
// cleanup.
function handleInterrupts() {
  let interrupted = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (interrupted) process.exit(EXIT_INTERRUPTED)
      interrupted = true
      process.stderr.write(
        '\ninterrupted: ending the children and tidying up; once more ends at once\n',
      )
      killChildren()
    })
  }
  return () => interrupted
}

async function torture(tests, options) {
  const report = new Report()
  const name = `${new Date().toISOString().replace(/[:.]/g, '-')}-seed-${options.seed}`
  const workspace = new Workspace(options.directory, name)
  const interrupted = handleInterrupts()
  report.line(`seed ${options.seed}, tier ${options.tier}, ${tests.length} tests`)
  const startedAt = new Date()
  await workspace.open()
  let results
  try {
    const programs = new Programs(CHECKOUT, options.binaries)
    results = await runAll(tests, { options, programs, report, workspace, interrupted })
  } finally {
    await workspace.close()
  }
  if (options.json !== null) {
    const { seed, tier } = options
    const everything = { seed, tier, startedAt, node: process.version, results }
    // Details of a failure have sequence numbers, which JSON has no numbers for.
    const plain = (_name, value) => (typeof value === 'bigint' ? `${value}` : value)
    writeFileSync(options.json, `${JSON.stringify(everything, plain, 2)}\n`)
  }
  report.summary(results)
  if (interrupted()) return EXIT_INTERRUPTED
  return results.some((result) => result.outcome === 'FAIL') ? EXIT_FAILED : 0
}

async function main(argv) {
  const options = parseOptions(argv)
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  options.seed ??= randomInt(2 ** 32)
  const tests = selectTests(await loadTests(TESTS), options.ids)
  if (options.list) {
    list(tests, options)
    return 0
  }
  if (!insideNamespace() && namespaceAvailable()) {
    const self = [...process.execArgv, fileURLToPath(import.meta.url)]
    return runInNamespace([...self, ...argv, '--seed', String(options.seed)])
  }
  return torture(tests, options)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(
    `${error instanceof UsageError ? `torture: ${error.message}` : error.stack}\n`,
  )
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
}
