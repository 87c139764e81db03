// Runs benches, each in a process of its own, and puts their rows together: share of the limit,
// and whether the goal was met.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { judged } from './bars.mjs'
import { goalsOf } from './catalog.mjs'
import { memoryState } from './machine.mjs'
import { childCpuSeconds } from './process.mjs'
import { isTime } from './values.mjs'

const outputBytesMax = 16 * 1024 * 1024

function runProcess(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
      if (stdout.length > outputBytesMax) child.kill()
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout)
      else
        reject(new Error(`${command} ${args.join(' ')} ended with ${signal ?? code}:\n${stderr}`))
    })
  })
}

/** hash_bench and scan_bench know two loads, and no folder. */
function standaloneArgs(options) {
  return options.load === 'full' ? ['--json'] : ['--json', '--quick']
}

function commandOf(bench, run, context) {
  const { options, root, binaries, dist, floor } = context
  const shared = ['--load', options.load, '--dir', options.directory]
  if (run.part !== undefined) shared.push('--part', run.part)
  if (run.kind === 'native') {
    const args = bench.adapt ? standaloneArgs(options) : shared
    if (!bench.adapt) args.push('--memory-dir', options.memoryDirectory)
    return [join(binaries, run.program), args, process.env]
  }
  const script = join(root, 'bench', run.kind === 'broker' ? 'e2e' : 'micro', `${run.script}.mjs`)
  const env = {
    ...process.env,
    MILLRACE_BENCH_DIST: dist,
    MILLRACE_BENCH_FLOOR: floor,
    MILLRACE_BENCH_BINARIES: binaries,
    MILLRACE_BENCH_MINUTES: String(options.minutes),
  }
  return [process.execPath, [script, ...shared], env]
}

/** All rows of one bench, with its id, or why it is `skipped`: what it needs is not there. */
async function runBench(bench, context) {
  const rows = []
  let skipped
  for (const run of bench.runs) {
    const before = childCpuSeconds()
    const report = JSON.parse(await runProcess(...commandOf(bench, run, context)))
    // What has no broker is measured in the process that loads it; its rows share what it took.
    const cpuSeconds = { broker: null, generator: childCpuSeconds() - before }
    skipped ??= report.skipped
    const found = bench.adapt ? bench.adapt(report) : report.rows
    rows.push(...found.map((row) => ({ cpuSeconds, ...row })))
  }
  if (rows.length === 0 && skipped === undefined) {
    throw new Error(`${bench.id}: the bench found nothing`)
  }
  // A bench that cannot prove its work fails, and has no rows.
  const own = rows.map((row) => ({ id: bench.id, ...row, peers: [], verified: row.check !== '' }))
  return { rows: own, skipped }
}

/**
 * The share of a limit that was measured in pairs is the median of theirs. Of one that is a rate
 * 1 is all that the machine allows; for times it is limit over figure.
 */
function ratioOf(row) {
  if (row.paired !== undefined) return row.paired.byClock.median
  return isTime(row.unit) ? row.limit.value / row.value : row.value / row.limit.value
}

/** What goals are about. That of `cost` is met where the whole interval is on its side. */
const figures = {
  ratio: (row) => row.limit?.ratio,
  value: (row) => row.value,
  cost: (row) => row.paired && 1 - (row.paired.byCpuTime.low ?? 0),
}

function judge(goal, row) {
  const figure = figures[goal.of](row)
  if (figure === undefined) return undefined
  const reaches = (bar) => (goal.side === 'least' ? figure >= bar : figure <= bar)
  const must = typeof goal.must === 'function' ? goal.must(row) : goal.must
  const aim = typeof goal.aim === 'function' ? goal.aim(row) : goal.aim
  return { of: goal.of, ...judged({ must, goal: goal.goal, aim }, reaches) }
}

/**
 * Adds to each row its limit from another bench, its ratio and, where the load allows them, the
 * verdicts on its goals.
 */
export function complete(results, benches, load) {
  for (const bench of benches) {
    for (const row of results.filter((it) => it.id === bench.id)) {
      const from = row.limit === undefined ? bench.limitFrom?.(row) : undefined
      const found = from && results.find((it) => it.id === from.id && it.name === from.name)
      if (found) row.limit = { name: from.as, value: found.value, unit: found.unit }
      if (row.limit) row.limit = { ...row.limit, ratio: ratioOf(row) }
      const goals = load === 'tiny' ? [] : goalsOf(bench, row)
      row.goals = goals.map((goal) => judge(goal, row)).filter((it) => it !== undefined)
    }
  }
  return results
}

/** Runs the benches one after another; a bench that fails does not stop the others. */
export async function runAll(benches, context, onBench) {
  const results = []
  const failures = []
  for (const bench of benches) {
    const before = memoryState()
    const start = Date.now()
    try {
      const { rows, skipped } = await runBench(bench, context)
      await context.peers?.addTo(rows)
      results.push(...rows)
      complete(results, benches, context.options.load)
      onBench(
        bench,
        results.filter((it) => it.id === bench.id),
        { before, start, skipped },
        results,
      )
    } catch (error) {
      failures.push(`${bench.id}: ${error.message}`)
      onBench(bench, [], { before, start, error }, results)
    }
  }
  return { results, failures: [...failures, ...(context.peers?.failures ?? [])] }
}
