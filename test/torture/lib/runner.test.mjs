import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadTests, selectTests } from './catalog.mjs'
import { commandTest, expandCommand } from './command-test.mjs'
import { TortureFailure } from './failure.mjs'
import { UsageError } from './options.mjs'
import { Programs } from './programs.mjs'
import { Report } from './report.mjs'
import { replayCommand, runAll, SkipTest } from './runner.mjs'
import { Workspace } from './workspace.mjs'

const root = mkdtempSync(join(tmpdir(), 'torture-runner-'))
after(() => rmSync(root, { recursive: true, force: true }))

const OPTIONS = { tier: 'ci', count: null, seed: 7, keep: false }

function make(run, extra = {}) {
  return {
    id: 'T-X',
    title: 'an example',
    unit: 'trials',
    counts: { ci: 3, full: 9 },
    run,
    ...extra,
  }
}

async function runTests(tests, options = OPTIONS) {
  const workspace = new Workspace(root, `run-${Math.random()}`)
  const report = new Report({ out: { write: () => {} }, isTty: false })
  await workspace.open()
  try {
    const programs = new Programs(root)
    return await runAll(tests, { options, programs, report, workspace })
  } finally {
    await workspace.close()
  }
}

test('a test that returns its trials passes, and leaves nothing behind', async () => {
  let seen
  const [result] = await runTests([
    make((context) => {
      seen = context
      writeFileSync(join(context.directory, 'log'), 'x')
      return { trials: context.count }
    }),
  ])
  assert.equal(result.outcome, 'PASS')
  assert.equal(result.trials, 3)
  assert.equal(seen.seed, 7)
  assert.equal(existsSync(seen.directory), false)
  assert.equal(existsSync(seen.scratch), false)
})

test('a failure keeps both folders and says how to repeat it', async () => {
  const [result] = await runTests([
    make((context) => {
      writeFileSync(join(context.directory, 'log'), 'x')
      writeFileSync(join(context.scratch, 'image'), 'x')
      throw new TortureFailure('lost', { details: { cut: 4 }, replay: { seed: 99 } })
    }),
  ])
  assert.equal(result.outcome, 'FAIL')
  assert.equal(result.reason, 'lost')
  assert.deepEqual(result.details, { cut: 4 })
  assert.equal(result.replay, 'npm run torture -- T-X --seed 99 --count 3 --tier ci')
  assert.ok(existsSync(join(result.kept, 'log')))
  assert.ok(existsSync(join(result.kept, 'scratch', 'image')))
})

test('undoes in reverse order, also after a failure, and before the folders go', async () => {
  const undone = []
  await runTests([
    make((context) => {
      context.cleanup(() => undone.push('first', existsSync(context.directory)))
      context.cleanup(async () => undone.push('second'))
      throw new Error('broken')
    }),
  ])
  assert.deepEqual(undone, ['second', 'first', true])
})

test('a rig that cannot tidy up fails its test', async () => {
  const [result] = await runTests([
    make((context) => {
      context.cleanup(() => {
        throw new Error('still mounted')
      })
      return { trials: 3 }
    }),
  ])
  assert.equal(result.outcome, 'FAIL')
  assert.equal(result.reason, 'still mounted')
})

test('a test without trials proves nothing', async () => {
  const [result] = await runTests([make(() => ({ trials: 0 }))])
  assert.equal(result.outcome, 'FAIL')
})

test('a skip is no pass, before and while running, and when a program is missing', async () => {
  const results = await runTests([
    make(() => assert.fail('must not run'), { skip: () => 'mounting needs root' }),
    make(() => {
      throw new SkipTest('no such device')
    }),
    make(() => assert.fail('must not run'), { programs: ['no_such_main'] }),
  ])
  assert.deepEqual(
    results.map(({ outcome, reason }) => [outcome, reason]),
    [
      ['SKIPPED', 'mounting needs root'],
      ['SKIPPED', 'no such device'],
      ['SKIPPED', 'there is no CMakeLists.txt to build from'],
    ],
  )
})

test('a command gets seed, count and folder, and its result is read', async () => {
  const script = `
    console.log('progress 1')
    console.log('result ' + JSON.stringify({ trials: 5, args: process.argv.slice(1) }))
  `
  const command = [process.execPath, '-e', script, '{seed}', '{count}', 'as is: {}']
  const [result] = await runTests([{ ...commandTest({ ...make(null), command }) }])
  assert.equal(result.outcome, 'PASS')
  assert.equal(result.trials, 5)
  assert.deepEqual(result.details, { args: ['7', '3', 'as is: {}'] })
})

test('a command that fails, or dies, fails its test; one that cannot run skips it', async () => {
  const command = (script) => commandTest({ ...make(null), command: ['sh', '-c', script] })
  const [failed, died, skipped, silent] = await runTests([
    command('echo shard 4 lost >&2; exit 1'),
    command('kill -SEGV $$'),
    command('echo no huge pages here >&2; exit 77'),
    command('true'),
  ])
  assert.match(failed.reason, /exit status 1: shard 4 lost/)
  assert.match(died.reason, /SIGSEGV/)
  assert.equal(skipped.outcome, 'SKIPPED')
  assert.equal(skipped.reason, 'no huge pages here')
  assert.equal(silent.trials, 3)
})

test('a command that says its count in words is read by an expression', async () => {
  const command = (script) =>
    commandTest({ ...make(null), command: ['sh', '-c', script], trialsIn: /^done: (\d+)$/m })
  const [passed, silent] = await runTests([command('echo done: 12'), command('true')])
  assert.equal(passed.trials, 12)
  assert.equal(silent.outcome, 'FAIL')
})

test('placeholders are replaced, unknown ones left alone', () => {
  const context = {
    count: 3,
    seed: 7,
    directory: '/d',
    scratch: '/s',
    tier: 'ci',
    program: (name) => `/b/${name}`,
  }
  assert.deepEqual(
    expandCommand(
      ['{program:a_main}', '--dir={dir}', '{scratch}/x', '{seed}-{count}', '{json}'],
      context,
    ),
    ['/b/a_main', '--dir=/d', '/s/x', '7-3', '{json}'],
  )
})

test('the replay command names the tier only where it matters', () => {
  const full = { ...OPTIONS, tier: 'full' }
  assert.equal(replayCommand(make(null), full), 'npm run torture -- T-X --seed 7 --count 9')
})

test('tests are chosen by id, in any case, in the order of the catalog', () => {
  const all = [{ id: 'T-K0' }, { id: 'T-P2' }, { id: 'T-E1' }]
  assert.deepEqual(selectTests(all, ['t-e1', 'T-K0']), [all[0], all[2]])
  assert.deepEqual(selectTests(all, []), all)
  assert.throws(() => selectTests(all, ['T-ZZ']), UsageError)
})

test('the catalog loads, and every test has what the runner needs', async () => {
  const tests = await loadTests(new URL('../tests/', import.meta.url))
  assert.ok(tests.length >= 17)
  for (const { id, title, unit, counts, run } of tests) {
    assert.match(id, /^(?:T-[A-Z]\d?[a-z]?|[A-Z]+)$/)
    assert.ok(title && unit && typeof run === 'function', id)
    assert.ok(counts.ci <= counts.full, id)
  }
})
