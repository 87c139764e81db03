// Runs tests one after the other and turns what they do into results.
//
// A test is an object:
//   id, title, unit           "T-P2", "power cut, real disks", "cuts"
//   counts { ci, full }       trials per tier; or counted: false, when the test decides by itself
//   programs                  names of the native programs it needs
//   skip()                    null, or why it cannot run on this machine
//   run(context)              does the trials; returns { trials, note?, lines?, details? } or throws
import { Cleanup } from './cleanup.mjs'
import { Random } from './random.mjs'

export function countFor(test, options) {
  return options.count ?? test.counts[options.tier]
}

// What run() of a test gets.
function contextFor(test, folders, { options, programs, report, cleanup }) {
  const count = countFor(test, options)
  return {
    ...folders,
    count,
    tier: options.tier,
    seed: options.seed,
    random: new Random(`${options.seed}/${test.id}`),
    program: (name) => programs.path(name),
    cleanup: (undo) => cleanup.add(undo),
    progress: (done, note, total = count) => report.progress(done, total, note),
  }
}

export function replayCommand(test, options, narrowed = {}) {
  const parts = ['npm run torture --', test.id, '--seed', narrowed.seed ?? options.seed]
  parts.push('--count', narrowed.count ?? countFor(test, options))
  if (options.tier !== 'full') parts.push('--tier', options.tier)
  return parts.join(' ')
}

async function attempt(test, context, cleanup) {
  let outcome
  try {
    outcome = { answer: await test.run(context) }
  } catch (error) {
    outcome = { error }
  }
  try {
    await cleanup.run()
  } catch (error) {
    outcome.error ??= error // a rig that cannot tidy up fails its test, unless that failed already
  }
  return outcome
}

// A test whose every trial was lost to a condition it met on the way may say so by this error.
export class SkipTest extends Error {}

async function runOne(test, environment) {
  const { options, programs, report, workspace } = environment
  const result = { id: test.id, title: test.title, unit: test.unit, seed: options.seed }
  const skipped = (reason) => ({ ...result, outcome: 'SKIPPED', reason })
  const reason = test.skip?.() ?? null
  if (reason !== null) return skipped(reason)

  const startedAt = performance.now()
  report.start(test)
  const failed = (error, kept) => ({
    ...result,
    outcome: 'FAIL',
    reason: error.message,
    details: error.details ?? { stack: error.stack },
    replay: replayCommand(test, options, error.replay),
    kept,
    millis: performance.now() - startedAt,
  })
  try {
    const unavailable = await programs.prepare(test.programs ?? [], () => {
      report.progress(0, 0, 'building')
    })
    if (unavailable !== null) return skipped(unavailable)
  } catch (error) {
    return failed(error, null)
  }

  const folders = workspace.make(test.id)
  const cleanup = new Cleanup()
  const context = contextFor(test, folders, { options, programs, report, cleanup })
  const { answer, error } = await attempt(test, context, cleanup)
  if (error instanceof SkipTest) {
    workspace.drop(folders)
    return skipped(error.message)
  }
  if (error !== undefined) return failed(error, await workspace.keep(folders))
  if (!(answer?.trials > 0)) {
    return failed(
      new Error('the test made no trial, which proves nothing'),
      await workspace.keep(folders),
    )
  }
  const kept = options.keep ? await workspace.keep(folders) : null
  if (kept === null) workspace.drop(folders)
  return { ...result, outcome: 'PASS', ...answer, kept, millis: performance.now() - startedAt }
}

// Returns the results in order. `environment` is { options, programs, report, workspace,
// interrupted }; the last, a function, ends the run before the next test.
export async function runAll(tests, environment) {
  const results = []
  for (const test of tests) {
    if (environment.interrupted?.()) break
    const result = await runOne(test, environment)
    environment.report.finish(result)
    results.push(result)
  }
  return results
}
