// A full disk: small file systems are filled by appends, room is made by trims, and they are filled
// again. No signal, no lost acknowledgement, and appends are back soon after room was made.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { MachineLag } from '../broker/machine-lag.mjs'
import { TortureFailure } from '../lib/failure.mjs'
import { LOG_PROGRAMS, verifyLog, writeLog } from '../lib/log-programs.mjs'
import { firstReason, needLoop } from '../lib/machine.mjs'
import { mustRun } from '../lib/processes.mjs'
import { makeFileSystem, mountLoop, needFileSystem, unmount } from '../rig/file-systems.mjs'
import { judgeWait } from '../rig/room-wait.mjs'

const ROUNDS_PER_RUN = 10

const DISKS = [
  {
    name: 'ext4 of 64 MiB',
    share: 0.25, // as it takes most of the time
    shards: 4,
    async mount(image, directory) {
      await makeFileSystem('ext4', image)
      await mountLoop('ext4', image, directory)
    },
  },
  {
    name: 'tmpfs of 8 MiB',
    share: 0.75,
    shards: 2,
    async mount(_image, directory) {
      await mustRun('mkdir', ['-p', directory])
      await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'small', directory])
    },
  },
]

// Runs the writer and answers what it said, `wrong` among it: what its worst wait for room breaks.
async function fill(context, options) {
  if (context.tier === 'full') {
    const answer = await writeLog(context, options)
    return { ...answer, wrong: judgeWait(waitOf(answer), null) }
  }
  const delays = { timer: [], sync: [] }
  const lag = new MachineLag(join(context.scratch, 'synced'), (kind, delay) =>
    delays[kind].push(delay),
  )
  const [answer] = await Promise.all([
    writeLog(context, options).finally(() => lag.stop()),
    lag.run(),
  ])
  return { ...answer, wrong: judgeWait(waitOf(answer), delays) }
}

function waitOf({ refusedMillisMax, refusedUntilMillis }) {
  return { millis: refusedMillisMax, until: refusedUntilMillis }
}

// Some runs of the writer on one disk, each verified before the next; answers the worst wait for
// room.
async function fillDisk(context, disk, rounds, onRound) {
  const directory = join(context.scratch, 'full')
  const events = join(context.scratch, 'events')
  rmSync(events, { force: true })
  await disk.mount(join(context.scratch, 'full.img'), directory)
  context.cleanup(() => unmount(directory))
  const dir = join(directory, 'log')
  let done = 0
  let waitMillis = 0
  while (done < rounds) {
    const wanted = Math.min(ROUNDS_PER_RUN, rounds - done)
    const seed = context.random.bits()
    const answer = await fill(context, {
      dir,
      events,
      seed,
      work: 'fill',
      persist: 1,
      shards: disk.shards,
      steps: 1_000_000,
      'full-max': wanted,
    })
    if (answer.stopped)
      throw new TortureFailure(`${disk.name}: appends did not come back: ${answer.said}`)
    await verifyLog(context, { dir, events, crash: 'power', note: 1, steps: 0 })
    if (answer.wrong !== null) throw new TortureFailure(`${disk.name}: ${answer.wrong}`)
    waitMillis = Math.max(waitMillis, answer.refusedMillisMax)
    done += answer.full
    onRound(answer.full)
  }
  await unmount(directory)
  return { done, waitMillis }
}

async function runTest(context) {
  let trials = 0
  const waits = {}
  for (const disk of DISKS) {
    const rounds = Math.ceil(context.count * disk.share)
    const onRound = (full) => {
      trials += full
      context.progress(trials, disk.name)
    }
    const { waitMillis } = await fillDisk(context, disk, rounds, onRound)
    waits[disk.name] = waitMillis
  }
  const worst = Math.max(...Object.values(waits))
  return { trials, note: `appends back within ${worst} ms`, details: { waitMillis: waits } }
}

export const tests = [
  {
    id: 'T-E3',
    title: 'a full disk, filled and freed',
    unit: 'rounds',
    counts: { ci: 100, full: 2000 },
    programs: LOG_PROGRAMS,
    skip: () => firstReason(needLoop(), needFileSystem('ext4')),
    run: runTest,
  },
]
