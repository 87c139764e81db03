// Power cuts under real file systems: a writer on a traced disk, then the disks that a cut could
// have left.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TortureFailure } from '../lib/failure.mjs'
import { LOG_PROGRAMS, verifyLog, writeLog } from '../lib/log-programs.mjs'
import { firstReason, needTracedDisk } from '../lib/machine.mjs'
import { availableKinds, needFileSystem, withoutKinds } from '../rig/file-systems.mjs'
import { PowerCutRig } from '../rig/power-cut.mjs'

const CUTS_PER_TRACE_MAX = 250
const CONTROL_CUTS = { ci: 20, full: 200 }
const CONTROL_LOST_MIN = 0.9
const WORKS = ['append', 'segments', 'directory']
const STEPS = { append: 150, segments: 150, directory: 60 }
const CONTROL_STEPS = 600
const EVENT_BYTES = 32
const ACKED = 3
const KINDS_WITH_HASHES = new Set([2, 5, 15]) // native/event.h: kSent, kServed, kRead

// The clock of the first acknowledgement: earlier cuts can lose nothing.
function firstAckClock(path) {
  const events = readFileSync(path)
  for (let at = 0; at + EVENT_BYTES <= events.length; ) {
    const kind = events.readUInt16LE(at)
    if (kind === ACKED) return Number(events.readBigUInt64LE(at + 24))
    at += EVENT_BYTES + (KINDS_WITH_HASHES.has(kind) ? events.readUInt32LE(at + 4) * 8 : 0)
  }
  throw new Error('the writer acknowledged nothing')
}

async function recordLog(context, rig, { work, seed, osPercent, steps, close }) {
  const events = join(rig.folder, 'events')
  await rig.record(async ({ directory, tracePath }) => {
    const answer = await writeLog(context, {
      dir: join(directory, 'log'),
      events,
      clock: tracePath,
      seed,
      work,
      steps,
      close,
      'os-percent': osPercent,
    })
    if (answer.stopped)
      throw new TortureFailure(`the writer stopped on a healthy disk: ${answer.said}`)
  })
  return { events, after: firstAckClock(events) }
}

// What is promised: acknowledged on disk means there after the cut.
async function cutTrace(context, { name, kind, work, count, onCut }) {
  const rig = new PowerCutRig(context, name, kind)
  const seed = context.random.fork(name).bits()
  const options = { work, seed, osPercent: 10, steps: STEPS[work], close: seed % 2 }
  const { events, after } = await recordLog(context, rig, options)
  await rig.cut(count, after, async ({ directory, clock, random }) => {
    const dir = join(directory, 'log')
    await verifyLog(context, {
      dir,
      events,
      'clock-max': clock,
      crash: 'power',
      seed: random.bits(),
    })
    onCut()
  })
}

// The rig proves itself: the same writer, acknowledged by the operating system alone, has to lose.
async function control(context, count) {
  const rig = new PowerCutRig(context, 'control', 'ext4')
  const { events, after } = await recordLog(context, rig, {
    work: 'append',
    seed: context.seed,
    osPercent: 100,
    steps: CONTROL_STEPS,
    close: 0,
  })
  let lost = 0
  await rig.cut(count, after, async ({ directory, clock }) => {
    const options = {
      dir: join(directory, 'log'),
      events,
      'clock-max': clock,
      crash: 'process',
      steps: 0,
    }
    const { held } = await verifyLog(context, options, { mustHold: false })
    if (!held) lost++
  })
  if (lost < count * CONTROL_LOST_MIN) {
    throw new TortureFailure(
      `the control lost in only ${lost} of ${count} cuts: the rig does not cut what it should`,
    )
  }
  return lost
}

async function runTest(context) {
  const kinds = availableKinds()
  const combinations = kinds.length * WORKS.length
  const traces = Math.max(
    Math.min(combinations, context.count),
    Math.ceil(context.count / CUTS_PER_TRACE_MAX),
  )
  let done = 0
  for (let i = 0; i < traces; i++) {
    const kind = kinds[i % kinds.length]
    const work = WORKS[Math.floor(i / kinds.length) % WORKS.length]
    const count = Math.ceil((context.count - done) / (traces - i))
    const onCut = () => context.progress(++done, `${kind}, ${work}`)
    await cutTrace(context, { name: `trace-${i}-${kind}`, kind, work, count, onCut })
  }
  const cuts = CONTROL_CUTS[context.tier]
  const lost = await control(context, cuts)
  return {
    trials: done,
    note: `${kinds.join(' and ')}${withoutKinds()}; control without sync lost in ${lost} of ${cuts}`,
    details: { traces, kinds, control: { cuts, lost } },
  }
}

export const tests = [
  {
    id: 'T-P2',
    title: 'power cut under real file systems',
    unit: 'cuts',
    counts: { ci: 80, full: 5000 },
    programs: LOG_PROGRAMS,
    skip: () => firstReason(needTracedDisk(), needFileSystem('ext4')),
    run: runTest,
  },
]
