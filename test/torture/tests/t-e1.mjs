// EIO under a real file system: the Nth write or flush of a run fails, the disk is healed and
// mounted afresh. What was acknowledged, or served to a reader, must be there; acknowledgements
// must have stopped in time.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { LOG_PROGRAMS, verifyLog, writeLog } from '../lib/log-programs.mjs'
import { firstReason, needTracedDisk } from '../lib/machine.mjs'
import { BrokenDiskRig } from '../rig/broken-disk.mjs'
import { needFileSystem } from '../rig/file-systems.mjs'

// Data, metadata of segments, names: what each kind of work writes most.
const WORKS = ['append', 'segments', 'directory']
const KINDS = ['write', 'flush']
const STEPS = 40
const STAYS_PROBABILITY = 0.3

async function breakLog(context, rig, { work, fault, seed }) {
  const events = join(rig.folder, 'events')
  rmSync(events, { force: true })
  let answer
  const outcome = await rig.run(fault, {
    write: async ({ directory }) => {
      const dir = join(directory, 'log')
      answer = await writeLog(context, { dir, events, seed, work, steps: STEPS, serve: 1 })
    },
    verify: async ({ directory }) => {
      const dir = join(directory, 'log')
      await verifyLog(context, { dir, events, crash: 'power', seed })
    },
  })
  return { ...outcome, stopped: answer.stopped }
}

// `count` places among the `total` requests of a healthy run, evenly spread, each drawn from its
// share; all of them where there are no more than that.
function drawPlaces(random, total, count) {
  if (total <= count) return Array.from({ length: total }, (_, i) => i + 1)
  return Array.from({ length: count }, (_, i) => {
    const first = Math.floor((i * total) / count) + 1
    return random.between(first, Math.floor(((i + 1) * total) / count))
  })
}

async function planFaults(context, rig) {
  const faults = []
  for (const work of WORKS) {
    const seed = context.random.bits()
    const healthy = await breakLog(context, rig, { work, fault: null, seed })
    for (const kind of KINDS) {
      for (const nth of drawPlaces(context.random, healthy[kind], context.count)) {
        const fault = { kind, nth, stays: context.random.chance(STAYS_PROBABILITY) }
        faults.push({ work, fault, seed })
      }
    }
  }
  return faults
}

async function runTest(context) {
  const rig = new BrokenDiskRig(context, 'disk')
  await rig.open()
  const plan = await planFaults(context, rig)
  let fired = 0
  let stopped = 0
  for (const { work, fault, seed } of plan) {
    try {
      const outcome = await breakLog(context, rig, { work, fault, seed })
      fired += outcome.fired ? 1 : 0
      stopped += outcome.stopped ? 1 : 0
    } catch (error) {
      const where = `${fault.kind} ${fault.nth}${fault.stays ? ' and all later ones' : ''}`
      error.message += ` (EIO at ${where}, work ${work}, seed ${seed})`
      throw error
    }
    context.progress(fired, `${work}, ${fault.kind}`, plan.length)
  }
  return { trials: fired, note: `${stopped} of them stopped the writer`, details: { stopped } }
}

export const tests = [
  {
    id: 'T-E1',
    title: 'EIO at the Nth write or flush of the disk',
    unit: 'faults',
    counts: { ci: 8, full: 200 }, // places per kind of work and of request
    programs: LOG_PROGRAMS,
    skip: () => firstReason(needTracedDisk(), needFileSystem('ext4')),
    run: runTest,
  },
]
