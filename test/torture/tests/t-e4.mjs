// Few file descriptors and few maps: the log works, slower, or says clearly which limit is in its
// way. It never crashes, and with the limit lifted everything acknowledged is there.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { LOG_PROGRAMS, verifyLog, writeLog } from '../lib/log-programs.mjs'
import { needTool } from '../lib/machine.mjs'

const FILES_MIN = 64
const FILES_MAX = 192
const MAPS_MAX = 200
const SHARDS = [8, 150, 300]
const WORKS = ['segments', 'directory']
const STEPS = 300
const CLEAN_CODE = 'LIMIT_EXCEEDED'

async function squeeze(context, { files, shards, work, seed }) {
  const folder = join(context.scratch, 'squeezed')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const dir = join(folder, 'log')
  const events = join(folder, 'events')
  const limit = ['prlimit', `--nofile=${files}:${files}`]
  const options = {
    dir,
    events,
    seed,
    work,
    shards,
    steps: STEPS,
    serve: 1,
    'mapped-max': MAPS_MAX,
  }
  const answer = await writeLog(context, options, limit)
  if (answer.stopped && answer.code !== CLEAN_CODE) {
    throw new TortureFailure(`${CLEAN_CODE} is the answer to a limit, not ${answer.said}`)
  }
  await verifyLog(context, { dir, events, seed })
  return answer.stopped
}

async function runTest(context) {
  let refused = 0
  for (let i = 0; i < context.count; i++) {
    const trial = {
      files: context.random.between(FILES_MIN, FILES_MAX),
      shards: SHARDS[i % SHARDS.length],
      work: WORKS[i % WORKS.length],
      seed: context.random.bits(),
    }
    try {
      if (await squeeze(context, trial)) refused++
    } catch (error) {
      const { files, shards, work, seed } = trial
      error.message += ` (${files} descriptors, ${shards} shards, work ${work}, seed ${seed})`
      throw error
    }
    context.progress(i + 1)
  }
  return {
    trials: context.count,
    note: `${refused} of them answered ${CLEAN_CODE}`,
    details: { refused },
  }
}

export const tests = [
  {
    id: 'T-E4',
    title: 'few descriptors and few maps',
    unit: 'runs',
    counts: { ci: 6, full: 60 },
    programs: LOG_PROGRAMS,
    skip: () => needTool('prlimit'),
    run: runTest,
  },
]
