// The rigs are proven with a writer that knows nothing of the log (probe_writer.c). Needs root and
// the tools; run it as `unshare -m node --test test/torture/rig/rig.test.mjs`.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cleanup } from '../lib/cleanup.mjs'
import { firstReason, needTracedDisk } from '../lib/machine.mjs'
import { Random } from '../lib/random.mjs'
import { memoryFolder } from '../lib/workspace.mjs'
import { BrokenDiskRig } from './broken-disk.mjs'
import { needFileSystem } from './file-systems.mjs'
import { PowerCutRig } from './power-cut.mjs'
import { buildProbe, countLost, runProbe } from './probe.mjs'

const BLOCKS = 400
const CUTS = 60
const LOST_MIN = 0.9

// Gives the body a context like that of the runner, and undoes everything afterwards.
async function withContext(body) {
  const scratch = mkdtempSync(join(memoryFolder(), 'torture-rig-'))
  const cleanup = new Cleanup()
  const context = { scratch, random: new Random('rig'), cleanup: (undo) => cleanup.add(undo) }
  try {
    await body(context, await buildProbe(scratch))
  } finally {
    await cleanup.run()
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function lostCuts(context, program, kind, mode) {
  const rig = new PowerCutRig(context, `${kind}-${mode}`, kind)
  let acks
  await rig.record(async ({ directory, tracePath }) => {
    const acksPath = join(rig.folder, 'acks')
    const options = { program, directory, tracePath, acksPath, count: BLOCKS, mode }
    acks = (await runProbe(options)).acks
  })
  assert.equal(acks.length, BLOCKS)
  let lost = 0
  await rig.cut(CUTS, acks[0].clock, async ({ directory, clock }) => {
    const ids = acks.filter((ack) => ack.clock <= clock).map((ack) => ack.id)
    if (countLost(directory, ids) > 0) lost++
  })
  return lost
}

// The worst over all N: how many acknowledged blocks are gone after the Nth fault.
async function lostBlocks(context, program, mode, faults) {
  const rig = new BrokenDiskRig(context, `broken-${mode}`)
  await rig.open()
  const outcome = { fired: 0, stopped: 0, lost: 0 }
  for (const fault of faults) {
    let answer
    const acksPath = join(rig.folder, 'acks')
    const { fired } = await rig.run(fault, {
      write: async ({ directory }) => {
        const options = { program, directory, acksPath, tracePath: 'none', count: 100, mode }
        answer = await runProbe(options)
      },
      verify: async ({ directory }) => {
        outcome.lost += countLost(
          directory,
          answer.acks.map((ack) => ack.id),
        )
      },
    })
    outcome.fired += fired ? 1 : 0
    outcome.stopped += answer.stopped ? 1 : 0
  }
  return outcome
}

const skipReason = (kind) => firstReason(needTracedDisk(), needFileSystem(kind)) ?? false

for (const kind of ['ext4', 'xfs']) {
  test(`a power cut on ${kind} loses nothing that was synced`, { skip: skipReason(kind) }, () =>
    withContext(async (context, program) => {
      assert.equal(await lostCuts(context, program, kind, 'sync'), 0)
    }),
  )

  test(`a power cut on ${kind} loses what was not synced`, { skip: skipReason(kind) }, () =>
    withContext(async (context, program) => {
      const lost = await lostCuts(context, program, kind, 'nosync')
      assert.ok(lost >= CUTS * LOST_MIN, `${lost} of ${CUTS}`)
    }),
  )
}

const FAULTS = Array.from({ length: 10 }, (_, i) => ({
  kind: 'write',
  nth: 8 + 5 * i,
  stays: false,
}))

test('EIO stops a writer that obeys it, which loses nothing', { skip: skipReason('ext4') }, () =>
  withContext(async (context, program) => {
    const flushes = FAULTS.map((fault) => ({ ...fault, kind: 'flush', stays: true }))
    const outcome = await lostBlocks(context, program, 'sync', [...FAULTS, ...flushes])
    assert.equal(outcome.fired, 20)
    assert.ok(outcome.stopped >= 15, `${outcome.stopped} stopped`)
    assert.equal(outcome.lost, 0)
  }),
)

test('EIO makes a writer that syncs again lose data', { skip: skipReason('ext4') }, () =>
  withContext(async (context, program) => {
    const outcome = await lostBlocks(context, program, 'retry', FAULTS)
    assert.equal(outcome.fired, 10)
    assert.ok(outcome.lost > 0, 'the second sync was honest: the rig does not show the trap')
  }),
)
