// Signals: every n-th of the system calls that change the disk is interrupted (EINTR, by strace),
// while a writer works. Such a call is made again, and nobody notices: no error, and everything
// acknowledged is there.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { LOG_PROGRAMS, verifyLog, writeLog } from '../lib/log-programs.mjs'
import { needTool } from '../lib/machine.mjs'

// What native/base/file_ops_posix.cc repeats, but for what others call in the same process, too.
const CALLS = ['pwrite64', 'fallocate', 'fdatasync', 'fsync', 'msync', 'rename', 'unlink', 'mkdir']
const WORKS = ['segments', 'directory']
const STEPS = 150
const EVERY_MAX = 4
// Each kind of call that the writer makes often enough.
const CALLS_MIN = ['pwrite64', 'fallocate', 'fdatasync', 'fsync', 'rename']

// Runs one writer to its end; answers how often each call was interrupted.
async function interrupt(context, { work, every, seed }) {
  const folder = join(context.scratch, 'interrupted')
  const trace = join(context.scratch, 'calls')
  const events = join(context.scratch, 'events')
  for (const path of [folder, trace, events]) rmSync(path, { recursive: true, force: true })
  const calls = `?${CALLS.join(',?')}`
  // Counted for each thread: the second, when every other one is interrupted, is never the repeat.
  const inject = `inject=${calls}:error=EINTR:when=${every}+${every}`
  const wrap = ['strace', '-f', '-qq', '-o', trace, '-e', `trace=${calls}`, '-e', inject]
  const options = { dir: folder, events, seed, work, shards: 4, steps: STEPS }
  const answer = await writeLog(context, options, wrap)
  if (answer.stopped) throw new TortureFailure(`an interrupted call was told of: ${answer.said}`)
  await verifyLog(context, { dir: folder, events, seed })
  const counts = new Map()
  for (const [, call] of readFileSync(trace, 'utf8').matchAll(/(\w+)\(.* EINTR .*\(INJECTED\)/g)) {
    counts.set(call, (counts.get(call) ?? 0) + 1)
  }
  return counts
}

async function runTest(context) {
  const interrupted = new Map()
  let trials = 0
  for (let i = 0; trials < context.count; i++) {
    const trial = {
      work: WORKS[i % WORKS.length],
      every: context.random.between(2, EVERY_MAX),
      seed: context.random.bits(),
    }
    for (const [call, count] of await interrupt(context, trial)) {
      interrupted.set(call, (interrupted.get(call) ?? 0) + count)
      trials += count
    }
    const missing = CALLS_MIN.filter((call) => !interrupted.has(call))
    if (i + 1 >= WORKS.length && missing.length > 0) {
      throw new TortureFailure(`never interrupted: ${missing.join(', ')}`)
    }
    context.progress(trials)
  }
  const note = [...interrupted].map(([call, count]) => `${count} ${call}`).join(', ')
  return { trials, note, details: Object.fromEntries(interrupted) }
}

export const tests = [
  {
    id: 'T-E2i',
    title: 'interrupted system calls',
    unit: 'interruptions',
    counts: { ci: 200, full: 5000 },
    programs: LOG_PROGRAMS,
    skip: () => needTool('strace'),
    run: runTest,
  },
]
