// A kill at every system call that changes the disk: a fixed script in inline mode (one thread,
// because strace counts calls per thread), killed by strace before its Nth call of each kind, for
// each N until the script survives.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { LOG_PROGRAMS, toArguments, verifyLog } from '../lib/log-programs.mjs'
import { needTool } from '../lib/machine.mjs'
import { describeEnd, run } from '../lib/processes.mjs'
import { inLanes } from '../rig/lanes.mjs'

// Between two of these nothing on the disk changes, so a kill anywhere else is the same as one
// before the next of them.
const CALLS = [
  'pwrite64',
  'pwritev',
  'pwritev2',
  'fallocate',
  'ftruncate',
  'fsync',
  'fdatasync',
  'msync',
  'sync_file_range',
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'unlink',
  'unlinkat',
  'mkdir',
  'mkdirat',
]
const LANES = 2
const STEPS = 60
const EXIT_NOT_PERMITTED = /ptrace|PTRACE|Operation not permitted/

function scriptOptions(folder, seed) {
  return {
    dir: join(folder, 'log'),
    events: join(folder, 'events'),
    seed,
    steps: STEPS,
    work: 'directory',
    inline: 1,
    shards: 3,
  }
}

function strace(extra, program, options) {
  const trace = `trace=?${CALLS.join(',?')}`
  return ['-f', '--seccomp-bpf', '-qq', '-e', trace, ...extra, program, ...toArguments(options)]
}

// How often the script makes each call, by running it once to its end.
async function countCalls(context, options) {
  const log = join(context.scratch, 'calls')
  const args = strace(['-o', log], context.program('rig_writer_main'), options)
  const result = await run('strace', args)
  if (result.code !== 0) {
    const why = EXIT_NOT_PERMITTED.test(result.stderr)
      ? 'tracing is not permitted here'
      : 'the script fails'
    throw new Error(`${why}: ${describeEnd(result)}`)
  }
  const counts = new Map()
  for (const [, call] of readFileSync(log, 'utf8').matchAll(/^(?:\d+ +)?(\w+)\(/gm)) {
    counts.set(call, (counts.get(call) ?? 0) + 1)
  }
  return counts
}

// Every place of every call, thinned out evenly where the tier wants fewer.
function places(counts, wanted) {
  const all = [...counts].flatMap(([call, count]) =>
    Array.from({ length: count }, (_, i) => ({ call, nth: i + 1 })),
  )
  if (all.length <= wanted) return all
  return Array.from({ length: wanted }, (_, i) => all[Math.floor((i * all.length) / wanted)])
}

async function killAt(context, { call, nth }, lane) {
  const folder = join(context.scratch, `lane-${lane}`)
  rmSync(folder, { recursive: true, force: true })
  await run('mkdir', ['-p', folder])
  const options = scriptOptions(folder, context.seed)
  const inject = ['-o', '/dev/null', '-e', `inject=${call}:signal=SIGKILL:when=${nth}`]
  const result = await run('strace', strace(inject, context.program('rig_writer_main'), options))
  // The script may make a few calls less than when it was counted, as one depends on the clock;
  // then it survives.
  if (result.signal !== 'SIGKILL' && result.code !== 0) {
    throw new TortureFailure(`the script ended by itself at ${call} ${nth}: ${describeEnd(result)}`)
  }
  try {
    await verifyLog(context, { dir: options.dir, events: options.events, seed: nth })
  } catch (error) {
    error.message += ` (killed at ${call} ${nth})`
    throw error
  }
}

async function runTest(context) {
  const folder = join(context.scratch, 'count')
  await run('mkdir', ['-p', folder])
  const counts = await countCalls(context, scriptOptions(folder, context.seed))
  const todo = places(counts, context.count)
  let done = 0
  await inLanes(todo, LANES, async (place, lane) => {
    await killAt(context, place, lane)
    context.progress(++done, place.call, todo.length)
  })
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const note = todo.length === total ? 'every call' : `of ${total} calls`
  return { trials: todo.length, note, details: { calls: Object.fromEntries(counts) } }
}

export const tests = [
  {
    id: 'T-K0s',
    title: 'kill -9 at every system call',
    unit: 'kills',
    counts: { ci: 150, full: 100_000 },
    programs: LOG_PROGRAMS,
    skip: () => needTool('strace'),
    run: runTest,
  },
]
